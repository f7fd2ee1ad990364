// Learning-rate schedules: pure functions of the step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace convoy {

struct ScheduleOptions {
  std::string name = "constant";  // constant | step
  double rate = 0.01;
  double gamma = 0.1;     // step: rate * gamma^floor(step / step_size)
  int64_t step_size = 0;  // in steps
  int64_t warmup = 0;     // first steps, over which the rate rises linearly: P. Goyal et al., 2017
};

class Schedule {
 public:
  /// Throws Error(usage) for an unknown name or a missing step size.
  explicit Schedule(const ScheduleOptions& options);
  /// The learning rate of `step`, counted from 0.
  double rate(int64_t step) const;

 private:
  ScheduleOptions options_;
};

std::vector<std::string> schedule_names();

}  // namespace convoy
