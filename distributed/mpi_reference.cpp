#include "distributed/mpi_reference.hpp"

#include <mpi.h>

#include <algorithm>
#include <climits>

#include "core/base/error.hpp"

namespace convoy {

void mpi_all_reduce(std::span<float> data, size_t piece_bytes) {
  const size_t most = piece_bytes > 0 ? std::max<size_t>(piece_bytes / sizeof(float), 1) : INT_MAX;
  do {
    const std::span<float> piece = data.first(std::min(most, data.size()));
    const int code =
        MPI_Allreduce(MPI_IN_PLACE, piece.data(), static_cast<int>(piece.size()), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    if (code != MPI_SUCCESS) fail(ExitCode::internal, "MPI_Allreduce returned ", code);
    data = data.subspan(piece.size());
  } while (!data.empty());
}

}  // namespace convoy
