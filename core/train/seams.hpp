// The three seams of the trainer: where batches come from, where gradients go, who watches.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/graph/net.hpp"
#include "core/tensor/view.hpp"

namespace convoy {

/// This worker's share of one global batch.
struct Batch {
  ConstView images;                 // (n, H, W, C), as stored
  std::span<const int32_t> labels;  // (n)
  int64_t position = 0;             // of its first sample in the run's sequence of samples
};

class BatchSource {
 public:
  virtual ~BatchSource() = default;
  /// The share of the next step. Valid until the following call. Throws what went wrong while it was read ahead.
  virtual const Batch& next() = 0;
};

/// Takes gradients and owns the update (design 10: reduce-scatter, update one's own slice, all-gather the weights).
class GradientSink {
 public:
  virtual ~GradientSink() = default;

  /// Starts a step with this learning rate.
  virtual void begin(int64_t step, float rate) = 0;

  /// This worker's gradients in [0, end) are final and its weights there are no longer read in this step. Rising within
  /// a step; called from any one thread at a time.
  virtual void ready(size_t end) = 0;

  /// Queues on the device what ready(end) would do to [begin, end), in the same way in every step, so that it can be
  /// recorded with the step; ready() is then not called for it. False where it must be called.
  virtual bool queue_update(size_t /*begin*/, size_t /*end*/) { return false; }

  /// Waits until all weights are updated, and sums `totals` over the workers in place (in rank order, so that slots
  /// filled by one worker alone come out exact).
  virtual void finish(std::span<double> totals) = 0;

  /// Seconds since begin() spent moving gradients and weights, and updating (both may overlap backward).
  virtual double exchange_seconds() const = 0;
  virtual double update_seconds() const = 0;

  /// Makes the optimizer state whole on every worker, where it is kept in slices. Collective; between steps.
  virtual void gather_state() = 0;
};

/// What happened in one step. Seconds are this worker's; loss and accuracy are those of the global batch.
struct StepReport {
  int64_t step = 0;     // steps taken, this one included
  int64_t samples = 0;  // samples consumed in the run so far
  double epoch = 0;     // samples / samples per epoch
  double loss = 0;      // mean over the global batch, before its update
  double accuracy = 0;  // top-1, likewise
  double learning_rate = 0;
  double seconds = 0;                           // the whole step
  double input = 0, forward = 0, backward = 0;  // waiting for the batch; the slowest team's two passes
  double exchange = 0, update = 0;              // of the sink
  double exposed = 0;                           // from the end of backward until exchange and update had ended too
  double refresh = 0;                           // then: packing the new weights as the ops want them
  int last_worker = 0;                          // the one whose gradients took longest from the step's start
  double waited = 0;                            // how much longer they took than this worker's
  bool last = false;                            // the run ends after this step
  bool stopping = false;                        // because somebody asked for it
  std::string notice;                           // what people should know of this step
};

class Observer {
 public:
  virtual ~Observer() = default;
  /// Called on every worker as it starts a step.
  virtual void before_step(int64_t /*step*/) {}
  /// Called on every worker, in the same order everywhere, with no run or exchange under way: collective work is
  /// allowed.
  virtual void on_step(const StepReport& report) = 0;
};

}  // namespace convoy
