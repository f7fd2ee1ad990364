// What watches a training run: metrics and progress (on rank 0), evaluations and checkpoints (on all workers).
#pragma once

#include <optional>

#include "core/base/timer.hpp"
#include "io/checkpoint.hpp"
#include "io/metrics_log.hpp"
#include "io/shard/dataset.hpp"
#include "launchers/run/console.hpp"
#include "launchers/run/model.hpp"
#include "launchers/run/progress_text.hpp"
#include "launchers/run/worker.hpp"
#include "launchers/run/worker_state.hpp"

namespace convoy {

/// Rows of metrics.jsonl and lines of progress every `log_every` steps and at the last step.
class ProgressObserver : public Observer {
 public:
  ProgressObserver(MetricsLog& log, Console& console, int64_t steps, int64_t global_batch, int64_t log_every)
      : log_(log), console_(console), meter_(steps, global_batch), batch_(global_batch), log_every_(log_every) {}
  void on_step(const StepReport& report) override;

 private:
  MetricsLog& log_;
  Console& console_;
  ProgressMeter meter_;
  int64_t batch_, log_every_;
  Timer wall_;
  int64_t steps_since_row_ = 0;
  double seconds_since_row_ = 0;
};

/// The accuracy over a dataset, by all workers. Collective.
EvaluationReport evaluate_together(Model& model, const SampleReader& reader, Worker& worker);

/// "accuracy 91.3 % (top-5 99.8 %), loss 0.2431 over 10,000 images"
std::string evaluation_text(const EvaluationReport& report);

class EvaluationObserver : public Observer {
 public:
  /// `log` is null but on rank 0. every 0: only at the end.
  EvaluationObserver(Model& model, const SampleReader& reader, Worker& worker, WorkerState& state, Console& console,
                     MetricsLog* log, int64_t every)
      : model_(model), reader_(reader), worker_(worker), state_(state), console_(console), log_(log), every_(every) {}
  void on_step(const StepReport& report) override;
  const std::optional<EvaluationReport>& latest() const { return latest_; }

 private:
  Model& model_;
  const SampleReader& reader_;
  Worker& worker_;
  WorkerState& state_;
  Console& console_;
  MetricsLog* log_;
  int64_t every_;
  std::optional<EvaluationReport> latest_;
};

struct CheckpointPlan {
  std::string run_folder;
  int64_t every = 0;  // 0: only at the end
  int keep = 3;       // 0: all
  CheckpointState state;
};

class CheckpointObserver : public Observer {
 public:
  CheckpointObserver(Model& model, GradientSink& sink, Worker& worker, WorkerState& state, CheckpointPlan plan)
      : model_(model), sink_(sink), worker_(worker), state_(state), plan_(std::move(plan)) {}
  void on_step(const StepReport& report) override;
  /// Of the last checkpoint; rank 0 only.
  const std::string& path() const { return path_; }

 private:
  Model& model_;
  GradientSink& sink_;
  Worker& worker_;
  WorkerState& state_;
  CheckpointPlan plan_;
  std::string path_;
};

}  // namespace convoy
