#include "launchers/run/exchange_summary.hpp"

#include <algorithm>

#include "core/base/error.hpp"
#include "launchers/run/progress_text.hpp"

namespace convoy {

void ExchangeSummary::on_step(const StepReport& report) {
  ++steps_;
  seconds_ += report.seconds;
  exchange_ += report.exchange;
  exposed_ += report.exposed;
  waited_ += report.waited;
  ++came_last_[static_cast<size_t>(report.last_worker)];
}

std::string ExchangeSummary::text() const {
  if (steps_ == 0) return "";
  const auto steps = static_cast<double>(steps_);
  const auto last = std::ranges::max_element(came_last_);
  return concat("exchange: ", milliseconds_text(exchange_ / steps), " of a ", milliseconds_text(seconds_ / steps),
                " step, ", milliseconds_text(exposed_ / steps), " of the step stuck out behind backward; worker ",
                last - came_last_.begin(), " came last in ", percent_text(static_cast<double>(*last) / steps),
                " of the steps, the first worker waited ", milliseconds_text(waited_ / steps), " a step for the last");
}

}  // namespace convoy
