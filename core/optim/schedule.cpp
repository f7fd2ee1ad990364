#include "core/optim/schedule.hpp"

#include <cmath>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {

std::vector<std::string> schedule_names() {
  return {"constant", "step"};
}

Schedule::Schedule(const ScheduleOptions& options) : options_(options) {
  if (options.name == "constant") return;
  if (options.name != "step") {
    const std::string near = nearest_word(options.name, schedule_names());
    fail(ExitCode::usage, "schedule '", options.name, "' is not known; ",
         near.empty() ? "use one of: " + join(schedule_names(), ", ") : "did you mean '" + near + "'?");
  }
  if (options.step_size <= 0) {
    fail(ExitCode::usage,
         "schedule 'step' needs the number of steps between drops; set step-size (steps) or step-epochs");
  }
}

double Schedule::rate(int64_t step) const {
  const double warm =
      step < options_.warmup ? static_cast<double>(step + 1) / static_cast<double>(options_.warmup) : 1.0;
  if (options_.name == "constant") return warm * options_.rate;
  const int64_t drops = step / options_.step_size;
  return warm * options_.rate * std::pow(options_.gamma, static_cast<double>(drops));
}

}  // namespace convoy
