// MPI's own collectives as the oracle for any communicator over all workers.
#pragma once

#include "distributed/communicator.hpp"

namespace convoy {

/// Throws what differs. The ranks of `communicator` are those of MPI_COMM_WORLD.
void compare_with_mpi(Communicator& communicator);

}  // namespace convoy
