// What the communicators of one MPI world share. Private to distributed/mpi_*.cpp.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "distributed/communicator.hpp"

namespace convoy {

struct MpiState {
  std::timed_mutex mutex;  // held during each stay inside MPI, which is initialised as MPI_THREAD_SERIALIZED
  std::string failure;     // guarded by it; once set, no communicator enters MPI again
};

/// Collective over all workers, and blocking: a communicator over those that name the same group, in the order of their
/// ranks; nullptr for group -1. `everybody` is what describe() says of one over all workers.
std::unique_ptr<Communicator> make_mpi_communicator(std::shared_ptr<MpiState> state, const CommunicatorOptions& options,
                                                    int group, const std::string& everybody);

}  // namespace convoy
