// What watches a training run.
#include "launchers/run/observers.hpp"

#include "core/base/text.hpp"

namespace convoy {

void ProgressObserver::on_step(const StepReport& report) {
  meter_.add(report);
  ++steps_since_row_;
  seconds_since_row_ += report.seconds;
  const ProgressFigures figures = meter_.figures(wall_.seconds());
  console_.live(progress_text(figures));
  // A row is there for its step alone, not because a run was stopped there or taken up again.
  const bool at_the_end = report.last && !report.stopping;
  if (!report.notice.empty()) console_.say(report.notice);
  if (report.step % log_every_ != 0 && !at_the_end) return;
  log_.step(report, static_cast<double>(steps_since_row_ * batch_) / seconds_since_row_);
  console_.say_progress(progress_text(figures));
  steps_since_row_ = 0, seconds_since_row_ = 0;
}

EvaluationReport evaluate_together(Model& model, const SampleReader& reader, Worker& worker) {
  return evaluate(model.lanes(), model.net(), reader, worker.rank(), worker.size(),
                  [&](std::span<int64_t> sums) { worker.control().all_reduce(sums, ReduceOp::sum); });
}

std::string evaluation_text(const EvaluationReport& report) {
  return concat("accuracy ", percent_text(report.top1), " (top-5 ", percent_text(report.top5), "), loss ",
                loss_text(report.loss), " over ", with_commas(report.samples), " images");
}

void EvaluationObserver::on_step(const StepReport& report) {
  const bool due = every_ > 0 && report.step % every_ == 0;
  const bool at_the_end = report.last && !report.stopping;
  if (!due && !at_the_end) return;
  const PhaseScope phase(state_, "evaluate");
  latest_ = evaluate_together(model_, reader_, worker_);
  if (log_) log_->evaluation(report.step, *latest_);
  console_.say(concat("step ", report.step, ": ", evaluation_text(*latest_)));
}

void CheckpointObserver::on_step(const StepReport& report) {
  const bool due = plan_.every > 0 && report.step % plan_.every == 0;
  if (!due && !report.last) return;
  const PhaseScope phase(state_, "checkpoint");
  sink_.gather_state();
  model_.fetch();
  plan_.state.step = report.step;
  plan_.state.samples = report.samples;
  worker_.on_leader([&] {
    path_ = write_checkpoint(plan_.run_folder, model_.arena(), model_.slot_names(), plan_.state);
    prune_checkpoints(plan_.run_folder, plan_.keep);
  });
}

}  // namespace convoy
