// What is summed over the workers in each step, besides gradients.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "core/train/lanes.hpp"

namespace convoy {

/// Every lane and every worker of the run has slots of its own, filled by one worker: the sums are then taken in lane
/// order by everybody, and are the same bits at any worker count.
class StepTotals {
 public:
  StepTotals(int total_lanes, int first_lane, int workers, int worker)
      : lanes_(static_cast<size_t>(total_lanes)),
        first_(static_cast<size_t>(first_lane)),
        workers_(static_cast<size_t>(workers)),
        worker_(static_cast<size_t>(worker)),
        values_(2 * lanes_ + workers_ + 1) {}

  /// `seconds`: from the step's start until this worker's gradients were ready.
  void set(std::span<const ScoreTotals> mine, double seconds, bool stop) {
    std::ranges::fill(values_, 0.0);
    for (size_t i = 0; i < mine.size(); ++i) {
      values_[first_ + i] = mine[i].loss;
      values_[lanes_ + first_ + i] = mine[i].correct;
    }
    values_[2 * lanes_ + worker_] = seconds;
    values_.back() = stop ? 1 : 0;
  }
  /// To be summed over the workers in place.
  std::span<double> values() { return values_; }

  double loss() const { return sum(0); }
  double correct() const { return sum(lanes_); }
  bool stop() const { return values_.back() > 0; }
  /// The worker whose gradients took longest; the lower rank of two.
  int last_worker() const { return static_cast<int>(std::ranges::max_element(seconds()) - seconds().begin()); }
  /// How much longer that took than this worker's own.
  double waited() const { return std::ranges::max(seconds()) - seconds()[worker_]; }

 private:
  std::span<const double> seconds() const { return std::span(values_).subspan(2 * lanes_, workers_); }
  double sum(size_t from) const {
    double total = 0;
    for (size_t lane = 0; lane < lanes_; ++lane) total += values_[from + lane];
    return total;
  }
  size_t lanes_, first_, workers_, worker_;
  std::vector<double> values_;
};

}  // namespace convoy
