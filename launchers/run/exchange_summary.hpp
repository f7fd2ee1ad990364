// How a run's steps were spent between workers: the exchange, what of it stuck out, and whom the others waited for.
#pragma once

#include <string>
#include <vector>

#include "core/train/seams.hpp"

namespace convoy {

/// Means over all steps since the start of this process.
class ExchangeSummary : public Observer {
 public:
  explicit ExchangeSummary(int workers) : came_last_(static_cast<size_t>(workers)) {}
  void on_step(const StepReport& report) override;
  /// One line; empty before the first step.
  std::string text() const;

 private:
  int64_t steps_ = 0;
  double seconds_ = 0, exchange_ = 0, exposed_ = 0, waited_ = 0;  // sums
  std::vector<int64_t> came_last_;                                // steps, per worker
};

}  // namespace convoy
