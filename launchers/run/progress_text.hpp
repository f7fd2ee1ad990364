// Progress in words.
#pragma once

#include <cstdint>
#include <string>

#include "core/train/seams.hpp"

namespace convoy {

struct ProgressFigures {
  int64_t step = 0, steps = 0;
  double epoch = 0, epochs = 0;
  double loss = 0, accuracy = 0;  // accuracy of 1
  double images_per_second = 0;
  double seconds_left = 0;
};

/// "epoch 3.2/12  step 2400/11250  loss 0.3121  accuracy 89.1 %  8,123 images/s  1 min 12 s left"
std::string progress_text(const ProgressFigures& figures);

/// "0.4 s", "12 s", "3 min 05 s", "2 h 14 min", "3 d 04 h".
std::string duration_text(double seconds);

/// "42 ms", "3.1 ms", "0.041 ms"; as a duration from ten seconds on.
std::string milliseconds_text(double seconds);

/// "8,123 images/s", "45.5 images/s".
std::string rate_text(double images_per_second);

/// "91.3 %".
std::string percent_text(double fraction);

/// "0.2431"; four digits that count, however small.
std::string loss_text(double loss);

/// Smooths what single steps report: the mean over the first steps, then a decaying one over about the last fifty.
class ProgressMeter {
 public:
  ProgressMeter(int64_t steps, int64_t global_batch) : steps_(steps), batch_(global_batch) {}
  void add(const StepReport& report);
  /// `wall_seconds` since the first step began, evaluations and checkpoints included.
  ProgressFigures figures(double wall_seconds) const;

 private:
  int64_t steps_, batch_;
  StepReport last_;
  int64_t added_ = 0;
  double loss_ = 0, accuracy_ = 0, seconds_ = 0;
};

}  // namespace convoy
