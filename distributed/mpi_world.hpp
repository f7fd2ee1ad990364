// MPI as this process sees it. The only files that include mpi.h are distributed/mpi_*.cpp.
#pragma once

#include <memory>
#include <vector>

#include "distributed/communicator.hpp"

namespace convoy {

struct MpiState;

/// True if a launcher (mpirun, srun) started this process as one of several: known from the environment, without MPI.
bool launched_by_mpi();

/// MPI from MPI_Init_thread to MPI_Finalize. Asks for MPI_THREAD_SERIALIZED and fails with Error(internal) below it,
/// with Error(usage) where MPI has joined fewer processes than the launcher started.
class MpiWorld {
 public:
  explicit MpiWorld(const CommunicatorOptions& options);
  /// Finalizes; after an error (`abandon`) it does not, since that would wait for the lost.
  ~MpiWorld();
  MpiWorld(const MpiWorld&) = delete;
  MpiWorld& operator=(const MpiWorld&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  /// Rank and number among the workers that share this machine's memory.
  int local_rank() const { return local_rank_; }
  int local_size() const { return local_size_; }

  /// A number for each rank, alike for ranks that share a machine's memory.
  const std::vector<int>& machines() const { return machines_; }

  /// A communicator of its own over all workers, or over those that name the same group; nullptr for a worker that
  /// names none. Collective over all. Communicators of one world may be used from different threads at once; after a
  /// failure of one, all fail.
  static constexpr int no_group = -1;
  std::unique_ptr<Communicator> make_communicator(int group = 0);

  /// After a failure: MPI_Abort(code) with 2 seconds to work, then _exit(code).
  [[noreturn]] void abort(int code) noexcept;
  void abandon() noexcept { abandoned_ = true; }

 private:
  CommunicatorOptions options_;
  std::shared_ptr<MpiState> state_;
  int rank_ = 0, size_ = 1;
  int local_rank_ = 0, local_size_ = 1;
  std::vector<int> machines_;
  bool abandoned_ = false;
};

}  // namespace convoy
