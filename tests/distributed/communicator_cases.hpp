// One list of cases that every communicator must pass: over threads and shared memory in the unit tests, over MPI in
// mpi/mpi_cases.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "distributed/communicator.hpp"

namespace convoy {

struct CaseSetting {
  /// The largest buffers have a slice of so many floats for each rank.
  size_t long_slice = 5003;
  /// Ranks that are summed among themselves first, one group after another; empty: all are one group.
  std::vector<int> groups{};
  /// Whether Wire::bf16 rounds: not where ranks see each other's memory.
  bool rounds = false;
  /// Where the buffers lie, room for ranks * long_slice + 32; empty: on the heap.
  std::span<float> memory{};
};

struct CommunicatorCase {
  const char* name;
  /// On every rank; throws what is wrong.
  void (*run)(Communicator&, const CaseSetting&);
};

const std::vector<CommunicatorCase>& communicator_cases();

/// Throws the first case's error, with its name.
void run_communicator_cases(Communicator& communicator, const CaseSetting& setting);

/// A number of rank and index, of widely varying size, so that a sum taken in another order has other bits.
float contribution(int rank, size_t index);

/// The sum over ranks of contribution(rank, index), by combining neighbours level by level.
float expected_sum(int ranks, size_t index);

/// The same inside each group of ranks first, and then over the groups.
float expected_sum(const std::vector<int>& groups, size_t index);

}  // namespace convoy
