#include "core/train/trainer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/base/error.hpp"
#include "core/train/evaluate.hpp"
#include "tests/core/train/small_run.hpp"

namespace convoy {
namespace {

class MemorySource : public BatchSource {
 public:
  MemorySource(const SmallData& data, int64_t batch) : data_(data), size_(batch) {}
  const Batch& next() override {
    const int64_t count = static_cast<int64_t>(data_.labels.size()) / size_;
    batch_ = data_.batch(step_++ % count * size_, size_);
    return batch_;
  }

 private:
  const SmallData& data_;
  int64_t size_, step_ = 0;
  Batch batch_;
};

class Recorder : public Observer {
 public:
  void on_step(const StepReport& report) override {
    reports.push_back(report);
    if (stop && report.step == 3) *stop = true;
  }
  std::vector<StepReport> reports;
  std::atomic<bool>* stop = nullptr;
};

class MemoryReader : public SampleReader {
 public:
  explicit MemoryReader(const SmallData& data) : data_(data) {}
  int64_t size() const override { return static_cast<int64_t>(data_.labels.size()); }
  void read(int64_t begin, int64_t count, void* images, int32_t* labels) const override {
    std::copy_n(data_.pixels.begin() + begin * small_image, count * small_image, static_cast<float*>(images));
    std::copy_n(data_.labels.begin() + begin, count, labels);
  }

 private:
  const SmallData& data_;
};

struct Training {
  explicit Training(int64_t steps, double rate = 0.1)
      : data(160),
        run({.lanes = 2, .threads = 2, .lane_batch = 8, .global_batch = 16}, {.name = "momentum"}),
        source(data, 16),
        schedule({.rate = rate}),
        options{.last_step = steps, .global_batch = 16, .samples_per_epoch = 160, .total_lanes = 2} {}
  bool go() { return train({run.net, *run.lanes, source, *run.sink, schedule, {&recorder}, stop}, options); }

  SmallData data;
  SmallRun run;
  MemorySource source;
  Schedule schedule;
  Recorder recorder;
  std::atomic<bool> stop{false};
  TrainerOptions options;
};

TEST(Trainer, LearnsWhatCanBeLearnt) {
  Training training(60);
  EXPECT_TRUE(training.go());
  const auto& reports = training.recorder.reports;
  ASSERT_EQ(reports.size(), 60u);
  EXPECT_NEAR(reports.front().loss, std::log(3.0), 0.5);  // an untrained net guesses among three classes
  EXPECT_LT(reports.back().loss, 0.05);
  EXPECT_EQ(reports.back().step, 60);
  EXPECT_EQ(reports.back().samples, 960);
  EXPECT_DOUBLE_EQ(reports.back().epoch, 6);
  EXPECT_TRUE(reports.back().last);
  EXPECT_FALSE(reports[58].last);
  EXPECT_EQ(reports[58].last_worker, 0);
  EXPECT_EQ(reports[58].waited, 0) << "a worker alone waits for nobody";
}

TEST(Trainer, StopsAfterTheStepInWhichItWasAsked) {
  Training training(60);
  training.recorder.stop = &training.stop;
  EXPECT_FALSE(training.go());
  ASSERT_EQ(training.recorder.reports.size(), 4u);
  EXPECT_TRUE(training.recorder.reports.back().stopping);
  EXPECT_TRUE(training.recorder.reports.back().last);
}

TEST(Trainer, DivergenceIsAnErrorThatSaysSo) {
  Training training(200, 1e6);
  try {
    training.go();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::diverged);
  }
}

TEST(Evaluate, CountsEverySampleOnceAtAnyWorkerCount) {
  Training training(20);
  training.go();
  const SmallData data(77, 9);  // no multiple of the lane batch
  const MemoryReader reader(data);
  const auto alone = evaluate(*training.run.lanes, training.run.net, reader, 0, 1, [](auto) {});
  EXPECT_EQ(alone.samples, 77);
  EXPECT_GE(alone.top5, 1.0);  // only three classes
  EXPECT_GT(alone.top1, 0.5);
  for (const int workers : {2, 3, 11}) {
    std::vector<int64_t> sums(64, 0);
    EvaluationReport last;
    for (int worker = 0; worker < workers; ++worker) {
      last = evaluate(*training.run.lanes, training.run.net, reader, worker, workers, [&](std::span<int64_t> mine) {
        for (size_t i = 0; i < mine.size(); ++i) mine[i] = sums[i] += mine[i];
      });
    }
    EXPECT_EQ(last.samples, 77);
    EXPECT_EQ(last.top1, alone.top1);
    EXPECT_EQ(last.loss, alone.loss);
  }
}

TEST(Evaluate, TellsLossesOfAnySize) {
  const SmallData data(77, 9);
  const MemoryReader reader(data);
  const auto loss_with = [&](float bias) {
    SmallRun run({.lane_batch = 8, .global_batch = 8}, {.name = "sgd"});
    run.arena.weights()[run.net.segments().find("fc2/bias")->offset] = bias;
    run.net.refresh_weights();
    return evaluate(*run.lanes, run.net, reader, 0, 1, [](auto) {}).loss;
  };
  int64_t others = 0;
  for (const int32_t label : data.labels) others += label != 0 ? 1 : 0;
  // Every image of another class than 0 loses by nearly the bias: far more than fixed point could hold.
  EXPECT_NEAR(loss_with(1e25f), 1e25 * static_cast<double>(others) / 77, 1e19);
  EXPECT_TRUE(std::isnan(loss_with(NAN)));
}

}  // namespace
}  // namespace convoy
