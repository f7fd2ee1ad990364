#include "core/graph/net.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.hpp"
#include "tests/core/train/small_run.hpp"

namespace convoy {
namespace {

double mean_loss(SmallRun& run, const SmallData& data, int64_t batch) {
  run.net.refresh_weights();
  double sum = 0;
  const auto load = [&](int64_t, int) { return NetBatch{data.pixels.data(), data.labels.data()}; };
  run.lanes->evaluate(1, load, [&](int, ConstView, const float* losses) {
    for (int64_t n = 0; n < batch; ++n) sum += static_cast<double>(losses[n]);
  });
  return sum / static_cast<double>(batch);
}

/// Central differences of the mean loss over a few elements of every parameter, against backward.
void check_gradients(const char* text) {
  constexpr int64_t batch = 6;
  SmallRun run({.lane_batch = batch, .global_batch = batch}, {.name = "sgd"}, text);
  const SmallData data(batch);
  KeepingSink sink;
  std::vector<LaneTotals> totals(1);
  run.lanes->run(data.batch(0, batch), sink, totals);
  EXPECT_NEAR(totals[0].loss / batch, mean_loss(run, data, batch), 1e-6);

  const auto weights = run.arena.weights();
  for (const Segment& segment : run.net.segments().segments()) {
    const auto gradient = run.arena.gradients().subspan(segment.offset, segment.count);
    float largest = 0;
    for (const float g : gradient) largest = std::max(largest, std::abs(g));
    EXPECT_GT(largest, 0) << segment.name;
    for (size_t k = 0; k < 8; ++k) {
      const size_t i = segment.offset + k * segment.count / 8;
      // A step small enough to cross no kink of relu and maxpool for this data, and large enough that the loss's own
      // rounding (about 1e-7) stays below 1e-4 of the slope.
      constexpr float step = 2e-3f;
      const float kept = weights[i];
      weights[i] = kept + step;
      const double up = mean_loss(run, data, batch);
      weights[i] = kept - step;
      const double down = mean_loss(run, data, batch);
      weights[i] = kept;
      EXPECT_NEAR(gradient[k * segment.count / 8], (up - down) / (2 * step), 2e-4 + 5e-3 * largest)
          << segment.name << " element " << k * segment.count / 8;
    }
  }
}

TEST(Net, GradientsMatchFiniteDifferences) {
  check_gradients(small_network);
}

TEST(Net, GradientsPassThroughASoftmaxInTheMiddle) {
  check_gradients("input 9x9x2\nfc K=6 init=xavier\nrelu\nsoftmax\nfc K=3\nloss softmax\n");
}

TEST(Net, GradientBuffersMayBeReusedWithoutClearing) {
  constexpr int64_t batch = 4;
  SmallRun run({.lane_batch = batch, .global_batch = batch}, {.name = "sgd"});
  const SmallData data(batch);
  KeepingSink sink;
  std::vector<LaneTotals> totals(1);
  run.lanes->run(data.batch(0, batch), sink, totals);
  const std::vector<float> first(run.arena.gradients().begin(), run.arena.gradients().end());
  run.lanes->run(data.batch(0, batch), sink, totals);
  EXPECT_TRUE(std::ranges::equal(first, run.arena.gradients()));
}

TEST(Net, TheWatermarkRisesToTheEnd) {
  SmallRun run({.lane_batch = 2, .global_batch = 2}, {.name = "sgd"});
  const SmallData data(2);
  KeepingSink sink;
  std::vector<LaneTotals> totals(1);
  sink.begin(0, 0);
  run.lanes->run(data.batch(0, 2), sink, totals);
  EXPECT_TRUE(std::ranges::is_sorted(sink.ends));
  EXPECT_EQ(sink.ends.size(), 4u);
  EXPECT_EQ(sink.ends.back(), run.net.segments().size());
}

TEST(Net, InferenceNeedsLessMemoryThanTraining) {
  const auto device = make_cpu_device();
  const auto bytes = [&](bool training) {
    return Net(build_graph(parse_network(small_network, "x")), *device,
               {.op = {.batch = 16}, .training = training, .pixels = {.mean = {0, 0}, .scale = {1, 1}}})
        .activation_bytes();
  };
  EXPECT_LT(bytes(false), bytes(true));
}

TEST(Net, TrainingNeedsALoss) {
  const auto device = make_cpu_device();
  EXPECT_THROW(Net(build_graph(parse_network("input 4\nfc K=2", "x")), *device, {}), Error);
}

}  // namespace
}  // namespace convoy
