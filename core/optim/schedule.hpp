// Learning-rate schedules: pure functions of the step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace convoy {

struct ScheduleOptions {
  /// Stands for the schedule's own default.
  static constexpr double unset = -1;

  std::string name = "constant";
  double rate = 0.01;
  double gamma = unset;             // step, multistep: 0.1; inv, exponential: must be given
  int64_t step_size = 0;            // step: in steps
  std::vector<int64_t> milestones;  // multistep: in steps, rising
  double power = 1;                 // poly, inv
  double min_rate = 0;              // cosine: where it ends
  int64_t total = 0;                // poly, cosine: steps of the whole run
  int64_t warmup = 0;               // first steps, over which the rate rises linearly: P. Goyal et al., 2017
};

/// The rate of step s, counted from 0, with r = rate:
///   constant     r
///   step         r gamma^floor(s / step_size)                  Caffe's step, PyTorch's StepLR
///   multistep    r gamma^(milestones <= s)                     Caffe's multistep, PyTorch's MultiStepLR
///   exponential  r gamma^s                                     Caffe's exp, PyTorch's ExponentialLR
///   inv          r (1 + gamma s)^-power                        Caffe's inv
///   poly         r (1 - s / total)^power                       Caffe's poly, PyTorch's PolynomialLR
///   cosine       m + (r - m) (1 + cos(pi s / total)) / 2       PyTorch's CosineAnnealingLR with eta_min m = min_rate;
///                                                              I. Loshchilov and F. Hutter, ICLR 2017
/// times (s + 1) / warmup in the first `warmup` steps. From `total` on, poly and cosine stay where they ended.
class Schedule {
 public:
  /// Throws Error(usage) for an unknown name and for what the schedule lacks.
  explicit Schedule(const ScheduleOptions& options);

  double rate(int64_t step) const;

 private:
  ScheduleOptions options_;
  double (*formula_)(const ScheduleOptions& options, int64_t step);
};

std::vector<std::string> schedule_names();

/// Keys of `convoy train` whose options differ from their defaults, but mean nothing to this schedule.
std::vector<std::string> unused_schedule_keys(const ScheduleOptions& options);

}  // namespace convoy
