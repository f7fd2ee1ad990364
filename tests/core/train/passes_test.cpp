// Lanes that take their images in several passes.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/train/small_run.hpp"

namespace convoy {
namespace {

constexpr int64_t batch = 32;

// Layers whose result depends on more than one image: batch norm on those of its pass, dropout on where they stand.
constexpr const char* mixing_network =
    "input 9x9x2\nconv K=4 F=3\nbatchnorm\nrelu\ndropout p=0.3\nmaxpool F=2 S=2 fit=floor\nfc K=12\nrelu\ndropout\n"
    "fc K=3\nloss softmax\n";

struct Result {
  std::vector<float> gradients;
  std::vector<ScoreTotals> totals;
};

Result run_with(const LaneOptions& options, const char* network, int64_t first = 0) {
  SmallRun run(options, {.name = "sgd"}, network);
  const SmallData data(batch);
  KeepingSink sink;
  Result result{.totals = std::vector<ScoreTotals>(static_cast<size_t>(options.lanes))};
  run.lanes->run(data.batch(first, options.lanes * options.lane_images()), sink, result.totals);
  const ScoreTotals once = result.totals[0];
  // Again: nothing of a step may be left in the next one.
  run.lanes->run(data.batch(first, options.lanes * options.lane_images()), sink, result.totals);
  EXPECT_EQ(once.loss, result.totals[0].loss);
  result.gradients.assign(run.arena.gradients().begin(), run.arena.gradients().end());
  return result;
}

class PassesOf : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Networks, PassesOf, testing::Values(small_network, mixing_network),
                         [](const auto& tested) { return tested.index == 0 ? "plain" : "mixing"; });

TEST_P(PassesOf, AddUpInOrder) {
  const Result passes = run_with({.lane_batch = 8, .passes = 4, .global_batch = batch}, GetParam());
  std::vector<float> sum;
  for (int64_t first = 0; first < batch; first += 8) {
    const std::vector<float> part = run_with({.lane_batch = 8, .global_batch = batch}, GetParam(), first).gradients;
    if (sum.empty()) sum.resize(part.size());
    for (size_t i = 0; i < part.size(); ++i) sum[i] = first == 0 ? part[i] : sum[i] + part[i];
  }
  EXPECT_EQ(passes.gradients, sum);
}

TEST_P(PassesOf, OfALaneAreAsLanesThemselves) {
  // (p0 + p1) + (p2 + p3), by whichever way.
  const Result passes =
      run_with({.lanes = 2, .threads = 2, .lane_batch = 8, .passes = 2, .global_batch = batch}, GetParam());
  const Result lanes = run_with({.lanes = 4, .lane_batch = 8, .global_batch = batch}, GetParam());
  EXPECT_EQ(passes.gradients, lanes.gradients);
  EXPECT_EQ(passes.totals[1].correct, lanes.totals[2].correct + lanes.totals[3].correct);
}

TEST(Passes, TotalsAreThoseOfTheLaneInOnePass) {
  const Result one = run_with({.lanes = 2, .lane_batch = 16, .global_batch = batch}, small_network);
  const Result four = run_with({.lanes = 2, .lane_batch = 4, .passes = 4, .global_batch = batch}, small_network);
  for (int lane = 0; lane < 2; ++lane) {
    // Sixteen losses of about 1, each rounded as a float.
    EXPECT_NEAR(one.totals[lane].loss, four.totals[lane].loss, 1e-5);
    EXPECT_EQ(one.totals[lane].correct, four.totals[lane].correct);
  }
}

TEST(Passes, DropWhatOnePassDrops) {
  constexpr const char* network = "input 9x9x2\ndropout p=0.3\nfc K=12\nrelu\ndropout\nfc K=3\nloss softmax\n";
  const Result one = run_with({.lane_batch = batch, .global_batch = batch}, network);
  const Result four = run_with({.lane_batch = 8, .passes = 4, .global_batch = batch}, network);
  for (size_t i = 0; i < one.gradients.size(); ++i) {
    // Sums of 32 terms in another order, of magnitude below 1; a mask of other images would show at 1e-2.
    ASSERT_NEAR(one.gradients[i], four.gradients[i], 1e-6) << i;
  }
}

/// Keeps what each announced range held at that moment.
class RangeSink : public KeepingSink {
 public:
  explicit RangeSink(std::span<const float> gradients) : gradients_(gradients) {}
  void ready(size_t end) override {
    announced.insert(announced.end(), gradients_.begin() + static_cast<std::ptrdiff_t>(announced.size()),
                     gradients_.begin() + static_cast<std::ptrdiff_t>(end));
    KeepingSink::ready(end);
  }
  std::vector<float> announced;

 private:
  std::span<const float> gradients_;
};

TEST(Passes, OnlyTheLastAnnouncesAndWhatItAnnouncesIsFinal) {
  SmallRun run({.lane_batch = 8, .passes = 4, .global_batch = batch}, {.name = "sgd"});
  const SmallData data(batch);
  RangeSink sink(run.arena.gradients());
  std::vector<ScoreTotals> totals(1);
  run.lanes->run(data.batch(0, batch), sink, totals);
  EXPECT_TRUE(std::ranges::is_sorted(sink.ends));
  EXPECT_EQ(sink.ends.size(), 4u) << "one for each layer with weights";
  size_t padding = 0;
  for (const Segment& segment : run.net.segments().segments()) {
    for (size_t i = padding; i < segment.offset; ++i) EXPECT_EQ(sink.announced[i], 0) << "padding " << i;
    padding = segment.offset + segment.count;
  }
  ASSERT_EQ(sink.announced.size(), run.arena.gradients().size());
  EXPECT_TRUE(std::ranges::equal(sink.announced, run.arena.gradients()));
}

TEST(Passes, ThreadsOfATeamLeaveNoTrace) {
  // A layer large enough that its gradients are added by more than one of them.
  constexpr const char* network = "input 9x9x2\nfc K=1000\nrelu\nfc K=3\nloss softmax\n";
  const Result one = run_with({.lane_batch = 8, .passes = 4, .global_batch = batch}, network);
  const Result three = run_with({.threads = 3, .lane_batch = 8, .passes = 4, .global_batch = batch}, network);
  for (size_t i = 0; i < one.gradients.size(); ++i) {
    // The passes themselves may round differently: sums of 8 terms below 1.
    ASSERT_NEAR(one.gradients[i], three.gradients[i], 1e-6) << i;
  }
}

TEST(Passes, MemoryIsThatOfOnePassAndTheLargestLayersGradientsForEachTeam) {
  const auto device = make_cpu_device();
  const auto net_for = [&](int64_t images) {
    return Net(build_graph(parse_network(small_network, "x")), *device,
               {.op = {.batch = images, .teams = 2}, .pixels = {.mean = {0, 0}, .scale = {1, 1}}});
  };
  const Net net = net_for(4);
  // 80 weights and 5 biases, each on a border of 256 bytes.
  const size_t flat = net.segments().size() * sizeof(float), conv2 = (128 + 64) * sizeof(float);
  EXPECT_EQ(Lanes::bytes(net, {.lanes = 2, .threads = 2, .lane_batch = 4, .passes = 4}),
            2 * net.activation_bytes() + flat + 2 * conv2);
  EXPECT_EQ(Lanes::bytes(net, {.lanes = 2, .threads = 2, .lane_batch = 4}), 2 * net.activation_bytes() + flat);
  EXPECT_LT(3 * net.activation_bytes(), net_for(16).activation_bytes());
}

}  // namespace
}  // namespace convoy
