#include "core/train/trainer.hpp"

#include <cmath>
#include <optional>

#include "core/base/error.hpp"
#include "core/base/timer.hpp"
#include "core/device/profiler.hpp"
#include "core/train/step_totals.hpp"

namespace convoy {

namespace {

/// However training ends, the source's last batch may still be on its way to a device.
struct Settling {
  Lanes& lanes;
  ~Settling() { lanes.settle(); }
};

}  // namespace

bool train(const TrainerParts& parts, const TrainerOptions& options) {
  StepTotals totals(options.total_lanes, options.first_lane, options.workers, options.worker);
  std::vector<ScoreTotals> lane_totals(static_cast<size_t>(parts.lanes.options().lanes));
  const auto global_batch = static_cast<double>(options.global_batch);
  const Settling settling{parts.lanes};
  bool fed = false;
  double waited_for_input = 0;  // for the batch of the step that comes next
  const auto feed = [&] {
    const Timer timer;
    const Batch& batch = parts.source.next();
    waited_for_input = timer.seconds();
    parts.lanes.feed(batch);
    fed = true;
  };

  bool to_record = options.recorded;
  for (int64_t step = options.first_step; step < options.last_step; ++step) {
    for (Observer* observer : parts.observers) observer->before_step(step + 1);
    std::optional<ProfilerRange> range(std::in_place, "step", step + 1);
    const Timer whole;
    StepReport report{.step = step + 1, .samples = (step + 1) * options.global_batch};
    report.learning_rate = parts.schedule.rate(step);

    if (!fed) feed();
    fed = false;
    report.input = waited_for_input;
    parts.sink.begin(step, static_cast<float>(report.learning_rate));
    if (to_record && step > options.first_step && !parts.net.timing()) {
      to_record = false;
      if (const std::string why = parts.lanes.record(parts.sink); !why.empty()) {
        report.notice = concat("steps are queued op by op, which takes longer: ", why);
      }
    }
    const Lanes::Seconds seconds = parts.lanes.run(parts.sink, lane_totals, [&] {
      if (step + 1 < options.last_step) feed();
    });
    Timer timer;
    totals.set(lane_totals, whole.seconds(), parts.stop.load(std::memory_order_relaxed));
    parts.sink.finish(totals.values());
    report.exposed = timer.lap();
    parts.net.refresh_weights();
    report.refresh = timer.lap();

    report.forward = seconds.forward;
    report.backward = seconds.backward;
    report.exchange = parts.sink.exchange_seconds();
    report.update = parts.sink.update_seconds();
    report.epoch = static_cast<double>(report.samples) / static_cast<double>(options.samples_per_epoch);
    report.loss = totals.loss() / global_batch;
    report.accuracy = totals.correct() / global_batch;
    report.last_worker = totals.last_worker();
    report.waited = totals.waited();
    report.seconds = whole.seconds();
    report.stopping = totals.stop();
    report.last = report.stopping || report.step == options.last_step;
    if (!std::isfinite(report.loss)) {
      fail(ExitCode::diverged, "step ", report.step, ": the loss is ", report.loss,
           "; the training has diverged, resume from an earlier checkpoint with a smaller learning-rate");
    }
    range.reset();
    for (Observer* observer : parts.observers) observer->on_step(report);
    if (report.stopping) return false;
  }
  return true;
}

}  // namespace convoy
