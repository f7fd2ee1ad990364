// The step loop.
#pragma once

#include <atomic>
#include <vector>

#include "core/optim/schedule.hpp"
#include "core/train/lanes.hpp"
#include "core/train/seams.hpp"

namespace convoy {

struct TrainerOptions {
  int64_t first_step = 0;  // steps already taken (after a resume)
  int64_t last_step = 0;   // train until this many are taken
  int64_t global_batch = 1;
  int64_t samples_per_epoch = 1;
  bool recorded = true;  // on a device: steps after the first are recorded once and replayed
  int total_lanes = 1;   // of all workers
  int first_lane = 0;    // of this worker, in [0, total_lanes)
  int workers = 1;
  int worker = 0;  // this one, in [0, workers)
};

/// Everything the loop works on; all must outlive it.
struct TrainerParts {
  Net& net;
  Lanes& lanes;
  BatchSource& source;
  GradientSink& sink;
  const Schedule& schedule;
  std::vector<Observer*> observers;
  const std::atomic<bool>& stop;  // set by a signal on any worker: all stop after the same step
};

/// Runs steps first_step .. last_step - 1. Returns true when it went to the end, false when it was asked to stop.
/// Throws Error(diverged) when the loss is not finite.
bool train(const TrainerParts& parts, const TrainerOptions& options);

}  // namespace convoy
