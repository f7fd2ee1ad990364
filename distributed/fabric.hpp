// The communicators and the shared memory that an exchange runs on (design 10 and 11).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "distributed/exchange.hpp"
#include "distributed/mpi_world.hpp"
#include "distributed/shared_window.hpp"
#include "distributed/topology.hpp"

namespace convoy {

/// The workers of a run, and those of a node, as communicators that last as long as the run.
struct WorkerGroups {
  Topology topology;
  std::unique_ptr<Communicator> everybody;
  /// Flat exchanges cut buckets over all workers.
  std::unique_ptr<Communicator> all_slices;
  /// Twice the workers of this worker's node, for two threads at once.
  std::unique_ptr<Communicator> node, node_again;
  /// The workers in this one's place on every node; null where there is one node, or this worker is beyond the columns.
  std::unique_ptr<Communicator> across;
};

/// Collective. Node borders are those of the machines, or drawn after every `ranks_per_node` ranks if that is not 0.
WorkerGroups make_groups(MpiWorld& world, int ranks_per_node);

/// flat: slices over all workers, by messages. hierarchical: slices within each node, in shared memory where it can be
/// had, and sums of slices across nodes.
enum class ExchangeKind { flat, hierarchical };

/// What a kind of exchange works on. The arena belongs in `common` and `own` where they are not empty, else in memory
/// of the worker's own.
class Fabric {
 public:
  /// Collective. `groups` must outlive it.
  Fabric(WorkerGroups& groups, ExchangeKind kind, const WindowSize& size, const CommunicatorOptions& options);

  ExchangePaths paths() const;
  std::span<std::byte> common() const { return window_ ? window_->common() : std::span<std::byte>(); }
  std::span<std::byte> own() const { return window_ ? window_->own() : std::span<std::byte>(); }
  bool shares_memory() const { return window_ != nullptr; }

  /// Why a node's workers exchange messages although they might share memory; "" where they do not.
  const std::string& problem() const { return problem_; }
  /// "shared memory within each of 2 nodes, MPI across".
  std::string describe() const;

 private:
  WorkerGroups& groups_;
  ExchangeKind kind_;
  std::string problem_;
  std::unique_ptr<SharedWindow> window_;
  std::unique_ptr<Communicator> reduce_, gather_, everybody_;  // of the window; the last where there is one node
};

}  // namespace convoy
