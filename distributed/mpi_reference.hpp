// MPI's own all-reduce, to measure against.
#pragma once

#include <cstddef>
#include <span>

namespace convoy {

/// Collective over all workers, blocking: MPI_Allreduce in place, one call for each `piece_bytes`, or one for all of it
/// if that is 0 (at most 2^31 - 1 elements). No other thread may be inside MPI.
void mpi_all_reduce(std::span<float> data, size_t piece_bytes);

}  // namespace convoy
