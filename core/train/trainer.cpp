#include "core/train/trainer.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/error.hpp"
#include "core/base/timer.hpp"

namespace convoy {

namespace {

/// What is summed over the workers in each step. Every lane of the run has slots of its own, filled by one worker: the
/// sums are then taken in lane order by everybody, and are the same bits at any worker count.
class Totals {
 public:
  Totals(int total_lanes, int first_lane)
      : lanes_(total_lanes), first_(first_lane), values_(2 * static_cast<size_t>(total_lanes) + 1) {}

  void set(std::span<const LaneTotals> mine, bool stop) {
    std::ranges::fill(values_, 0.0);
    for (size_t i = 0; i < mine.size(); ++i) {
      values_[first_ + i] = mine[i].loss;
      values_[lanes_ + first_ + i] = mine[i].correct;
    }
    values_.back() = stop ? 1 : 0;
  }
  std::span<double> values() { return values_; }
  double loss() const { return sum(0); }
  double correct() const { return sum(static_cast<size_t>(lanes_)); }
  bool stop() const { return values_.back() > 0; }

 private:
  double sum(size_t from) const {
    double total = 0;
    for (int lane = 0; lane < lanes_; ++lane) total += values_[from + static_cast<size_t>(lane)];
    return total;
  }
  int lanes_, first_;
  std::vector<double> values_;
};

}  // namespace

bool train(const TrainerParts& parts, const TrainerOptions& options) {
  Totals totals(options.total_lanes, options.first_lane);
  std::vector<LaneTotals> lane_totals(static_cast<size_t>(parts.lanes.options().lanes));
  const auto global_batch = static_cast<double>(options.global_batch);

  for (int64_t step = options.first_step; step < options.last_step; ++step) {
    const Timer whole;
    StepReport report{.step = step + 1, .samples = (step + 1) * options.global_batch};
    report.learning_rate = parts.schedule.rate(step);

    Timer timer;
    const Batch& batch = parts.source.next();
    report.input = timer.lap();
    parts.sink.begin(step, static_cast<float>(report.learning_rate));
    const Lanes::Seconds seconds = parts.lanes.run(batch, parts.sink, lane_totals);
    timer.lap();
    totals.set(lane_totals, parts.stop.load(std::memory_order_relaxed));
    parts.sink.finish(totals.values());
    parts.net.refresh_weights();
    report.exposed = timer.lap();

    report.forward = seconds.forward;
    report.backward = seconds.backward;
    report.exchange = parts.sink.exchange_seconds();
    report.update = parts.sink.update_seconds();
    report.epoch = static_cast<double>(report.samples) / static_cast<double>(options.samples_per_epoch);
    report.loss = totals.loss() / global_batch;
    report.accuracy = totals.correct() / global_batch;
    report.seconds = whole.seconds();
    report.stopping = totals.stop();
    report.last = report.stopping || report.step == options.last_step;
    if (!std::isfinite(report.loss)) {
      fail(ExitCode::diverged, "step ", report.step, ": the loss is ", report.loss,
           "; the training has diverged, resume from an earlier checkpoint with a smaller learning-rate");
    }
    for (Observer* observer : parts.observers) observer->on_step(report);
    if (report.stopping) return false;
  }
  return true;
}

}  // namespace convoy
