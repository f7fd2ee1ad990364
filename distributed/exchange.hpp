// The gradient exchange: buckets of the arena are reduced, updated and gathered while backward is still running
// (design 10).
//
// Buckets are consecutive ranges of the arena in backward-completion order. When the watermark passes a bucket's end, a
// progress thread reduce-scatters its gradients, updates this worker's slice of the weights and all-gathers them. Where
// nodes are many, slices are those of a node's workers, and a second thread sums each slice across nodes in between, so
// that one bucket crosses the network while the next is summed in memory.
//
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

/// The communicators of an exchange, each used by one thread at a time.
struct ExchangePaths {
  Communicator& everybody;  // all workers, at the end of a step
  Communicator& reduce;     // those that cut a bucket into slices: a node's, or everybody
  Communicator& gather;     // the same ranks; must be another object than `reduce` if there is an `across`
  /// The workers of all nodes that have the same slice as this one; null where there is one node, or no slice.
  Communicator* across = nullptr;
  /// The ranks of `reduce` that have slices: the first so many. 0: all.
  int columns = 0;
  /// Alike on all workers, also on those whose `across` is null.
  bool many_nodes = false;
};

/// Whether the workers with the same slice on different nodes all keep its optimizer state and update it, or each a
/// part of it, whose weights they then send to the others. The traffic is the same, state in parts needs less memory.
enum class AcrossNodes { copies, parts };

struct ExchangeOptions {
  size_t bucket_bytes = size_t{1} << 20;
  Wire wire = Wire::fp32;  // of gradients
  AcrossNodes across_nodes = AcrossNodes::copies;
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
  /// The communicators belong to this object's progress threads between begin() and finish().
  Exchange(const ExchangePaths& paths, const ParameterArena& arena, const Optimizer& optimizer,
           const ExchangeOptions& options, Progress* progress = nullptr);
  ~Exchange() override;

  void begin(int64_t step, float rate) override;
  void ready(size_t end) override;
  /// Rethrows what a progress thread ran into.
  void finish(std::span<double> totals) override;
  /// The threads' seconds in communicators, waiting for other workers included, added up.
  double exchange_seconds() const override;
  double update_seconds() const override;
  void gather_state() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy
