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

/// One forward and backward pass leaves the gradients in the arena.
double training_loss(SmallRun& run, const SmallData& data, int64_t batch) {
  run.net.refresh_weights();
  KeepingSink sink;
  std::vector<ScoreTotals> totals(1);
  run.lanes->run(data.batch(0, batch), sink, totals);
  return totals[0].loss / static_cast<double>(batch);
}

/// The slopes of the mean loss to the right and to the left of one weight. In training mode: dropout draws the same
/// mask each time, since the images stand at the same position of the run.
std::pair<double, double> slopes(SmallRun& run, const SmallData& data, int64_t batch, size_t weight) {
  constexpr float step = 1e-3f;
  float& w = run.arena.weights()[weight];
  const float kept = w;
  const double here = training_loss(run, data, batch);
  w = kept + step;
  const double right = (training_loss(run, data, batch) - here) / (w - kept);
  w = kept - step;
  const double left = (here - training_loss(run, data, batch)) / (kept - w);
  w = kept;
  return {right, left};
}

/// Central differences over a few elements of every parameter, against backward.
void check_gradients(const std::string& text) {
  constexpr int64_t batch = 6;
  SmallRun run({.lane_batch = batch, .global_batch = batch}, {.name = "sgd"}, text.c_str());
  const SmallData data(batch);
  training_loss(run, data, batch);
  const std::vector<float> gradients(run.arena.gradients().begin(), run.arena.gradients().end());

  for (const Segment& segment : run.net.segments().segments()) {
    if (!segment.is_parameter()) continue;
    const auto gradient = std::span(gradients).subspan(segment.offset, segment.count);
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

TEST(Net, TrainingAndInferenceAgreeWhereNoLayerTellsThemApart) {
  SmallRun run({.lane_batch = 6, .global_batch = 6}, {.name = "sgd"});
  const SmallData data(6);
  EXPECT_NEAR(training_loss(run, data, 6), mean_loss(run, data, 6), 1e-6);
}

TEST(Net, GradientsMatchFiniteDifferences) {
  check_gradients(small_network);
}

// Two workers with one copy of the packed weights: each packs some of it, together they pack all, and both then compute
// what a worker does by itself.
TEST(Net, AWorkerOfATeamPacksItsPart) {
  // Convolutions that are packed, by whichever implementation.
  constexpr const char* text =
      "input 9x9x2\nconv K=32 F=3 P=1\nconv K=32 F=3 P=1\nconv K=32 F=3 P=1\nfc K=3\nloss softmax\n";
  const LaneOptions lanes{.lane_batch = 6, .global_batch = 6};
  const SmallData data(6);
  SmallRun alone(lanes, {.name = "sgd"}, text);
  SmallRun first(lanes, {.name = "sgd"}, text), second(lanes, {.name = "sgd"}, text);
  ASSERT_GT(alone.net.packed_bytes(), 0u);
  const double expected = training_loss(alone, data, 6);

  const DeviceBuffer packed(*alone.device, alone.net.packed_bytes(), "packed weights");
  const std::span memory{packed.data(), packed.bytes()};
  const auto zeros = [&] { return std::ranges::count(memory, std::byte{0}); };
  int met = 0;
  const auto meet = [&] { ++met; };
  first.net.bind(first.arena.weights(), memory, {.rank = 0, .size = 2, .meet = meet});
  const auto after_first = zeros();
  EXPECT_LT(after_first, std::ssize(memory));
  second.net.bind(first.arena.weights(), memory, {.rank = 1, .size = 2, .meet = meet});
  EXPECT_LT(zeros(), after_first);
  EXPECT_EQ(met, 2);

  // refresh_weights() of each, then a pass of each.
  EXPECT_EQ(training_loss(second, data, 6), expected);
  EXPECT_EQ(training_loss(first, data, 6), expected);
  // New weights of all layers come from both.
  for (float& w : first.arena.weights()) w *= 2;
  for (float& w : alone.arena.weights()) w *= 2;
  const double doubled = training_loss(alone, data, 6);
  ASSERT_NE(doubled, expected);
  EXPECT_NE(training_loss(first, data, 6), doubled) << "the other worker has not packed its part";
  EXPECT_EQ(training_loss(second, data, 6), doubled);
  EXPECT_EQ(training_loss(first, data, 6), doubled);
}

struct Wiring {
  const char* name;
  const char* layers;  // between the input, 9x9x2, and the last fc
};

class NetGradients : public ::testing::TestWithParam<Wiring> {};

TEST_P(NetGradients, MatchFiniteDifferences) {
  check_gradients(std::string("input 9x9x2\ndefault init=xavier\n") + GetParam().layers + "fc K=3\nloss softmax\n");
}

constexpr Wiring wirings[] = {
    {"softmax_in_the_middle", "fc K=6\nrelu\nsoftmax\n"},
    {"smooth_functions", "conv K=3 F=3\nsigmoid\nfc K=7\ntanh\nfc K=6\nleakyrelu slope=0.2\n"},
    {"relu_masked_by_maxpool", "conv K=4 F=3\nrelu\nmaxpool F=3 S=2\nconv K=3 F=2\nrelu\n"},
    {"relu_that_maxpool_may_not_mask",
     "conv K=3 F=3\nr: relu\np: maxpool F=3 S=2\nq: avgpool F=3 S=2 from=r\nadd from=p,q\n"},
    {"average_pools",
     "conv K=3 F=3 P=1\navgpool F=3 S=2 P=1\nconv K=4 F=3 P=1\navgpool F=2 S=2 fit=ceil pad=not\nconv K=4 "
     "F=1\nglobalavgpool\n"},
    {"norms", "conv K=5 F=3\nlrn n=3 alpha=0.5\nconv K=4 F=2\nlrn n=3 alpha=0.7 region=within k=2\n"},
    {"batch_norm", "conv K=4 F=3 bias=off\nbatchnorm\nrelu\nconv K=4 F=3\nbatchnorm\nfc K=5\nbatchnorm\ntanh\n"},
    {"batch_norm_first", "batchnorm\nconv K=3 F=3\n"},
    {"dropout", "dropout p=0.2\nconv K=4 F=3\nrelu\ndropout\nfc K=8\ntanh\ndropout p=0.3\n"},
    {"residual",
     "a: conv K=4 F=3 S=2 bias=off\nb: conv K=4 F=3 P=1 bias=off\nrelu\nc: conv K=4 F=3 P=1\nadd from=c,a\nr: relu\nd: "
     "conv K=4 F=1 "
     "from=r\n"
     "add from=r,d\n"},
    {"residual_with_batch_norm",
     "conv K=4 F=3 S=2\nbatchnorm\na: relu\nconv K=4 F=3 P=1\nbatchnorm\nrelu\nconv K=4 F=3 P=1\nb: batchnorm\nadd "
     "from=b,a\nrelu\n"},
    {"twice_the_same", "a: conv K=3 F=3\nadd from=a,a\n"},
    {"inception",
     "s: conv K=3 F=3 S=2\na: conv K=2 F=1\nb: conv K=3 F=3 P=1 from=s\nrelu\nc: conv K=2 F=1 from=relu1\nd: maxpool "
     "F=3 "
     "S=1 P=1 from=s\nconcat from=a,c,d\n"},
    {"concat_of_rows", "a: fc K=4\nb: fc K=3 from=input1\ntanh\nconcat from=a,tanh1\n"},
    {"flatten", "c: conv K=3 F=3 S=2\nf: flatten\nsigmoid\na: fc K=4\nb: fc K=4 from=c\nadd from=a,b\n"},
};
INSTANTIATE_TEST_SUITE_P(Net, NetGradients, ::testing::ValuesIn(wirings),
                         [](const auto& instance) { return std::string(instance.param.name); });

class LossGradients : public ::testing::TestWithParam<const char*> {};

TEST_P(LossGradients, MatchFiniteDifferences) {
  check_gradients(std::string("input 9x9x2\nconv K=4 F=3\ntanh\nfc K=3\nloss ") + GetParam());
}

INSTANTIATE_TEST_SUITE_P(Net, LossGradients,
                         ::testing::Values("softmax smoothing=0.2", "softmax class-weights=0.5,2,1", "hinge",
                                           "hinge squared=on mean=on margin=2", "mse"));

TEST(Net, BatchNormKeepsRunningStatistics) {
  SmallRun run({.lane_batch = 6, .global_batch = 6}, {.name = "momentum"},
               "input 9x9x2\nbatchnorm momentum=0.25\nfc K=3\nloss softmax");
  const SmallData data(6);
  double sum = 0, squares = 0;
  constexpr int64_t count = 6 * 81;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(data.pixels[2 * i]) - 0.5;
  for (int64_t i = 0; i < count; ++i) {
    const double deviation = static_cast<double>(data.pixels[2 * i]) - 0.5 - sum / count;
    squares += deviation * deviation;
  }
  run.sink->begin(0, 0.1f);
  std::vector<ScoreTotals> totals(1);
  run.lanes->run(data.batch(0, 6), *run.sink, totals);
  const auto value = [&](const char* name) { return run.arena.weights()[run.net.segments().find(name)->offset]; };
  // PyTorch's: (1 - momentum) old + momentum new, the variance unbiased.
  EXPECT_NEAR(value("batchnorm1/running_mean"), 0.25 * sum / count, 1e-6);
  EXPECT_NEAR(value("batchnorm1/running_variance"), 0.75 + 0.25 * squares / (count - 1), 1e-6);
}

TEST(Net, DropoutDrawsANewMaskAtEveryPosition) {
  SmallRun run({.lane_batch = 6, .global_batch = 6}, {.name = "sgd"}, "input 9x9x2\ndropout\nfc K=3\nloss softmax");
  const SmallData data(6);
  KeepingSink sink;
  const auto loss_at = [&](int64_t position) {
    Batch batch = data.batch(0, 6);
    batch.position = position;
    std::vector<ScoreTotals> totals(1);
    run.lanes->run(batch, sink, totals);
    return totals[0].loss;
  };
  EXPECT_EQ(loss_at(0), loss_at(0));
  EXPECT_NE(loss_at(0), loss_at(6));
  EXPECT_NE(loss_at(0) / 6, mean_loss(run, data, 6));
}

TEST(Net, GradientBuffersMayBeReusedWithoutClearing) {
  constexpr int64_t batch = 4;
  SmallRun run({.lane_batch = batch, .global_batch = batch}, {.name = "sgd"});
  const SmallData data(batch);
  KeepingSink sink;
  std::vector<ScoreTotals> totals(1);
  run.lanes->run(data.batch(0, batch), sink, totals);
  const std::vector<float> first(run.arena.gradients().begin(), run.arena.gradients().end());
  run.lanes->run(data.batch(0, batch), sink, totals);
  EXPECT_TRUE(std::ranges::equal(first, run.arena.gradients()));
}

TEST(Net, TheWatermarkRisesToTheEnd) {
  SmallRun run({.lane_batch = 2, .global_batch = 2}, {.name = "sgd"});
  const SmallData data(2);
  KeepingSink sink;
  std::vector<ScoreTotals> totals(1);
  sink.begin(0, 0);
  run.lanes->run(data.batch(0, 2), sink, totals);
  EXPECT_TRUE(std::ranges::is_sorted(sink.ends));
  EXPECT_EQ(sink.ends.size(), 4u);
  EXPECT_EQ(sink.ends.back(), run.net.segments().size());
}

TEST(Net, OnlyTrainingIsTimedAndOnlyWhenAsked) {
  SmallRun run({.lane_batch = 2, .global_batch = 2}, {.name = "sgd"});
  const SmallData data(2);
  const auto taken = [&] {
    double all = 0;
    for (const NodeSeconds& node : run.net.seconds()) all += node.forward + node.backward;
    return all;
  };
  training_loss(run, data, 2);
  EXPECT_FALSE(run.net.timing());
  EXPECT_EQ(taken(), 0);
  run.net.start_timing();
  mean_loss(run, data, 2);
  EXPECT_EQ(taken(), 0) << "evaluation";
  training_loss(run, data, 2);
  const double one_step = taken();
  EXPECT_GT(one_step, 0);
  training_loss(run, data, 2);
  const double two_steps = taken();
  EXPECT_GT(two_steps, one_step) << "added up";
  run.net.stop_timing();
  training_loss(run, data, 2);
  EXPECT_EQ(taken(), two_steps);
  run.net.start_timing();
  EXPECT_EQ(taken(), 0) << "anew";
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
