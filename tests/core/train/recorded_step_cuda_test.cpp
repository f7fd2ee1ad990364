// Steps that a device records and replays, against the same steps queued op by op.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/core/train/small_run.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy {
namespace {

constexpr const char* network =
    "input 9x9x2\nconv K=4 F=3\nbatchnorm\nrelu\nmaxpool F=2 S=2 fit=floor\ndropout p=0.5\nfc K=12\nrelu\nfc K=3\n"
    "loss softmax\n";

class RecordedStep : public testing::DeviceTest {
 protected:
  static constexpr int64_t batch = 12, steps = 6;

  struct Outcome {
    std::vector<float> weights;
    std::vector<ScoreTotals> totals;
    std::vector<std::string> problems;
  };

  /// Trains at a rate that changes from step to step; recorded after `by_op` steps.
  static Outcome train(const LaneOptions& options, const OptimizerOptions& optimizer, int64_t by_op,
                       std::unique_ptr<Device> device = testing::make_tested_device()) {
    SmallRun run(options, optimizer, network, std::move(device));
    const SmallData data(batch * steps);
    Outcome outcome;
    for (int64_t step = 0; step < steps; ++step) {
      std::vector<ScoreTotals> totals(static_cast<size_t>(options.lanes));
      run.sink->begin(step, 0.02f / static_cast<float>(step + 1));
      if (step == by_op) outcome.problems.push_back(run.lanes->record(*run.sink));
      run.lanes->run(data.batch(step * batch, batch), *run.sink, totals);
      run.sink->finish({});
      run.net.refresh_weights();
      outcome.totals.insert(outcome.totals.end(), totals.begin(), totals.end());
    }
    outcome.weights.resize(run.arena.weights().size());
    run.device->download(outcome.weights.data(), run.arena.weights().data(), run.arena.weights().size_bytes());
    return outcome;
  }
};

TEST_F(RecordedStep, HasTheBitsOfOneThatIsQueuedOpByOp) {
  for (const char* optimizer : {"adam", "lars"}) {  // lars waits for norms: its updates are not recorded
    for (const LaneOptions& options : {LaneOptions{.lane_batch = batch, .global_batch = batch},
                                       LaneOptions{.lane_batch = 4, .passes = 3, .global_batch = batch},
                                       LaneOptions{.lanes = 2, .lane_batch = 3, .passes = 2, .global_batch = batch}}) {
      const Outcome by_op = train(options, {.name = optimizer}, steps);
      const Outcome recorded = train(options, {.name = optimizer}, 1);
      EXPECT_EQ(recorded.problems, std::vector<std::string>{""});
      EXPECT_EQ(recorded.weights, by_op.weights) << optimizer << ", " << options.lanes << " x " << options.passes;
      ASSERT_EQ(recorded.totals.size(), by_op.totals.size());
      for (size_t i = 0; i < by_op.totals.size(); ++i) EXPECT_EQ(recorded.totals[i].loss, by_op.totals[i].loss) << i;
      EXPECT_NE(by_op.totals.front().loss, by_op.totals.back().loss);
    }
  }
}

TEST_F(RecordedStep, IsThatOfTheCpu) {
  const LaneOptions options{.lanes = 2, .lane_batch = 3, .passes = 2, .global_batch = batch};
  const Outcome recorded = train(options, {.name = "momentum"}, 1);
  const Outcome of_cpu = train(options, {.name = "momentum"}, steps, make_cpu_device());
  for (size_t i = 0; i < of_cpu.totals.size(); ++i) {
    // Sums of a few hundred fp32 products in another order, over six steps; another dropout mask shifts it by 0.1.
    EXPECT_NEAR(recorded.totals[i].loss, of_cpu.totals[i].loss, 1e-4 * of_cpu.totals[i].loss) << i;
  }
}

TEST_F(RecordedStep, TellsASinkOfTheHostWhatItWouldHearOpByOp) {
  SmallRun run({.lanes = 2, .lane_batch = 3, .passes = 2, .global_batch = batch}, {.name = "sgd"}, network,
               testing::make_tested_device());
  const SmallData data(batch);
  KeepingSink sink;
  const auto step = [&] {
    std::vector<ScoreTotals> totals(2);
    run.lanes->run(data.batch(0, batch), sink, totals);
    std::vector<float> gradients(run.arena.gradients().size());
    run.device->download(gradients.data(), run.arena.gradients().data(), run.arena.gradients().size_bytes());
    return gradients;
  };
  const std::vector<float> by_op = step();
  const std::vector<size_t> ends = sink.ends;
  EXPECT_EQ(ends.size(), 4u) << "conv1, batchnorm1, fc1, fc2";
  sink.begin(1, 0);
  EXPECT_EQ(run.lanes->record(sink), "");
  EXPECT_TRUE(sink.ends.empty()) << "while it was recorded";
  EXPECT_EQ(step(), by_op);
  EXPECT_EQ(sink.ends, ends);
}

/// Waits where it may not.
class WaitingSink final : public LocalSink {
 public:
  WaitingSink(Device& device, const ParameterArena& arena, const Optimizer& optimizer)
      : LocalSink(device, arena, optimizer), device_(device) {}
  bool queue_update(size_t, size_t) override {
    device_.synchronize();
    return true;
  }

 private:
  Device& device_;
};

TEST_F(RecordedStep, ThatCannotBeRecordedIsQueuedOpByOp) {
  std::vector<float> weights[2];
  for (const bool waits : {false, true}) {
    SmallRun run({.lane_batch = batch, .global_batch = batch}, {.name = "momentum"}, network,
                 testing::make_tested_device());
    if (waits) run.sink = std::make_unique<WaitingSink>(*run.device, run.arena, *run.optimizer);
    const SmallData data(batch);
    for (int64_t step = 0; step < 3; ++step) {
      std::vector<ScoreTotals> totals(1);
      run.sink->begin(step, 0.01f);
      if (step == 1) {
        const std::string problem = run.lanes->record(*run.sink);
        EXPECT_EQ(problem.find("captur") != std::string::npos, waits) << problem;
      }
      run.lanes->run(data.batch(0, batch), *run.sink, totals);
      run.sink->finish({});
      run.net.refresh_weights();
    }
    weights[waits].resize(run.arena.weights().size());
    run.device->download(weights[waits].data(), run.arena.weights().data(), run.arena.weights().size_bytes());
  }
  EXPECT_EQ(weights[0], weights[1]);
}

TEST(RecordedStepOnTheCpu, HasNothingToRecord) {
  SmallRun run({.lane_batch = 4, .global_batch = 4}, {.name = "sgd"});
  EXPECT_EQ(run.lanes->record(*run.sink), "");
}

}  // namespace
}  // namespace convoy
