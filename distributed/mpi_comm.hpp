// What the communicators of one MPI world share. Private to distributed/mpi_*.cpp.
#pragma once

#include <mpi.h>

#include <memory>
#include <mutex>
#include <string>

#include "distributed/communicator.hpp"

namespace convoy {

struct MpiState {
  std::timed_mutex mutex;  // held during each stay inside MPI, which is initialised as MPI_THREAD_SERIALIZED
  std::string failure;     // guarded by it; once set, no communicator enters MPI again
};

/// Over the ranks of `comm`, which nobody else uses and whose error handler returns. `text` is for describe().
std::unique_ptr<Communicator> make_mpi_communicator(std::shared_ptr<MpiState> state, const CommunicatorOptions& options,
                                                    MPI_Comm comm, std::string text);

}  // namespace convoy
