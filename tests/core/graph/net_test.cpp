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

/// The slopes of the mean loss to the right and to the left of one weight.
std::pair<double, double> slopes(SmallRun& run, const SmallData& data, int64_t batch, size_t weight) {
  constexpr float step = 1e-3f;
  float& w = run.arena.weights()[weight];
  const float kept = w;
  const double here = mean_loss(run, data, batch);
  w = kept + step;
  const double right = (mean_loss(run, data, batch) - here) / (w - kept);
  w = kept - step;
  const double left = (here - mean_loss(run, data, batch)) / (kept - w);
  w = kept;
  return {right, left};
}

/// Central differences over a few elements of every parameter, against backward.
void check_gradients(const char* text) {
  constexpr int64_t batch = 6;
  SmallRun run({.lane_batch = batch, .global_batch = batch}, {.name = "sgd"}, text);
  const SmallData data(batch);
  KeepingSink sink;
  std::vector<LaneTotals> totals(1);
  run.lanes->run(data.batch(0, batch), sink, totals);
  EXPECT_NEAR(totals[0].loss / batch, mean_loss(run, data, batch), 1e-6);

  for (const Segment& segment : run.net.segments().segments()) {
    const auto gradient = run.arena.gradients().subspan(segment.offset, segment.count);
    float largest = 0;
    for (const float g : gradient) largest = std::max(largest, std::abs(g));
    EXPECT_GT(largest, 0) << segment.name;
    // The loss carries about 1e-7 of rounding: a few 1e-4 in a slope over 1e-3. Its curvature adds some of the slope
    // itself.
    const double tolerance = 5e-4 + 5e-3 * static_cast<double>(largest);
    int checked = 0;
    const size_t stride = std::max<size_t>(1, segment.count / 12);
    for (size_t i = 0; i < segment.count; i += stride) {
      const auto [right, left] = slopes(run, data, batch, segment.offset + i);
      if (std::abs(right - left) > 2 * tolerance) continue;  // a kink of relu or maxpool lies in between
      EXPECT_NEAR(gradient[i], (right + left) / 2, tolerance) << segment.name << " element " << i;
      ++checked;
    }
    EXPECT_GE(checked, std::min<int>(3, static_cast<int>(segment.count))) << segment.name;
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
