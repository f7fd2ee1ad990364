// Every layer of a network by itself: the passes of its ops, repeated on memory that nothing else uses.
#pragma once

#include "launchers/run/step_timing.hpp"

namespace convoy {

/// Seconds of one call on the whole batch, medians. The weight pass is that of layers with parameters.
struct OpTiming {
  LayerTiming layer;
  double forward = 0, backward_data = 0, backward_weights = 0;
};

struct OpTimings {
  int threads = 1;
  MachinePeak peak;
  std::vector<OpTiming> ops;
};

/// options.steps repetitions of each pass, one team of options.threads threads.
OpTimings time_ops(const TimingOptions& options);

}  // namespace convoy
