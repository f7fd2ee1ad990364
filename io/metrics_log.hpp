// RUN/metrics.jsonl: one JSON object a line (design 3).
#pragma once

#include <memory>
#include <string>

#include "core/train/evaluate.hpp"
#include "core/train/seams.hpp"

namespace convoy {

class MetricsLog {
 public:
  /// Opens for appending. Rows of steps after `resume_step` (left by a run that went on past its checkpoint) and an
  /// unfinished last line are cut; resume_step 0 starts an empty file. Throws Error(storage).
  MetricsLog(const std::string& run_folder, int64_t resume_step);
  ~MetricsLog();

  /// {"kind":"step","step":..,"samples":..,"epoch":..,"loss":..,"accuracy":..,"learning_rate":..,"images_per_second":..,
  ///  "input":..,"forward":..,"backward":..,"exchange":..,"update":..,"exposed":..,"refresh":..,"last_worker":..,"waited":..};
  ///  seconds of this step, on the first worker; last_worker: the rank for which it waited.
  void step(const StepReport& report, double images_per_second);
  /// {"kind":"eval","step":..,"samples":..,"loss":..,"top1":..,"top5":..}
  void evaluation(int64_t step, const EvaluationReport& report);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy
