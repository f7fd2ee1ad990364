// This process among the workers of a run: one of MPI's, or alone without any MPI.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/base/error.hpp"
#include "distributed/fabric.hpp"
#include "distributed/mpi_world.hpp"
#include "launchers/run/cpus.hpp"

namespace convoy {

/// An error that every worker knows of: all leave by themselves, and the first one prints it.
class AgreedError : public Error {
 public:
  using Error::Error;
};

/// The error that is being handled: an Error as it is, out of memory and the unforeseen as Errors. Call in a `catch`.
Error current_error();

/// This process's number among those a launcher started, before MPI is; 0 for a process on its own.
int launched_rank();

class Worker {
 public:
  /// Throws Error(usage) where several processes were started that MPI cannot join.
  explicit Worker(const CommunicatorOptions& options);

  int rank() const { return world_ ? world_->rank() : 0; }
  int size() const { return world_ ? world_->size() : 1; }
  int local_rank() const { return world_ ? world_->local_rank() : 0; }
  int local_size() const { return world_ ? world_->local_size() : 1; }
  bool leader() const { return rank() == 0; }

  /// For set-up, evaluation and agreement.
  Communicator& control() { return *control_; }
  /// Collective; of several workers: the communicators of their exchange.
  WorkerGroups make_groups(int ranks_per_node) { return convoy::make_groups(*world_, ranks_per_node); }

  /// Collective: every worker does this; if it fails on any, all throw the first one's error as an AgreedError.
  void together(const std::function<void()>& action);
  /// Collective: only the first worker does this, and all learn how it went.
  void on_leader(const std::function<void()>& action);

  /// Collective: the threads of every worker, as many as the one with fewest has. `asked` 0 means a worker's share of
  /// the CPUs it may run on. Lanes, and weights packed for several workers, must be cut alike everywhere.
  int threads(int asked);
  /// Known from then on: lines about threads that have no core, and cores that have no thread.
  const std::vector<std::string>& thread_notices() const { return thread_notices_; }

  /// Ends every worker: MPI_Abort. For errors that the others cannot know of.
  [[noreturn]] void end_everybody(ExitCode code) noexcept;

  /// Runs a command's body and turns what it throws into an exit code and at most one line on standard error.
  int guard(const std::function<int()>& body);

 private:
  std::unique_ptr<MpiWorld> world_;
  std::unique_ptr<Communicator> control_;
  std::vector<std::string> thread_notices_;
};

}  // namespace convoy
