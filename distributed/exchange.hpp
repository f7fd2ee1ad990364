// The gradient exchange: buckets of the arena are reduced, updated and gathered by a progress thread while backward is
// still running (design 10).
//
// Buckets are consecutive ranges of the arena in backward-completion order. When the watermark passes a bucket's end,
// the progress thread reduce-scatters its gradients, updates this worker's slice of the weights and all-gathers them.
// Optimizers that need norms first take a second phase: after the last bucket the workers add up their slices' sums of
// squares, and only then are buckets updated and gathered. Optimizer state lives in the slices and is made whole by
// gather_state().
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "core/optim/optimizer.hpp"
#include "core/train/seams.hpp"
#include "distributed/communicator.hpp"

namespace convoy {

struct ExchangeOptions {
  size_t bucket_bytes = size_t{1} << 20;
};

/// Borders of the buckets: 0, ..., table size. Each bucket but the last holds at least bucket_bytes and ends where a
/// segment does, or at bucket_bytes inside a large segment.
std::vector<size_t> bucket_borders(const SegmentTable& table, size_t bucket_bytes);

/// What the workers are doing, for the watchdog and failure.json; written by the loop, read by any thread.
struct Progress {
  std::atomic<int64_t> step{0};
  std::atomic<int> bucket{-1};  // being exchanged, -1 when none
};

class Exchange : public GradientSink {
 public:
  /// The communicator belongs to this object's progress thread between begin() and finish().
  Exchange(Communicator& communicator, const ParameterArena& arena, const Optimizer& optimizer,
           const ExchangeOptions& options, Progress* progress = nullptr);
  ~Exchange() override;

  void begin(int64_t step, float rate) override;
  void ready(size_t end) override;
  /// Rethrows what the progress thread ran into.
  void finish(std::span<double> totals) override;
  double exchange_seconds() const override;
  double update_seconds() const override;
  void gather_state() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy
