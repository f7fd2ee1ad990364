// One list of cases that every communicator must pass: run over threads by the unit tests, over MPI by mpi/mpi_cases.
#pragma once

#include <cstddef>
#include <vector>

#include "distributed/communicator.hpp"

namespace convoy {

struct CommunicatorCase {
  const char* name;
  /// On every rank; throws what is wrong. The largest buffers have a slice of `long_slice` floats for each rank.
  void (*run)(Communicator&, size_t long_slice);
};

const std::vector<CommunicatorCase>& communicator_cases();

/// A number of rank and index, of widely varying size, so that a sum taken in another order has other bits.
float contribution(int rank, size_t index);

/// The sum over ranks of contribution(rank, index), by combining neighbours level by level.
float expected_sum(int ranks, size_t index);

}  // namespace convoy
