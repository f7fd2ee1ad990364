#include "tests/distributed/mpi/mpi_oracle.hpp"

#include <mpi.h>

#include "tests/distributed/case_tools.hpp"

namespace convoy {
namespace {

constexpr size_t lengths[] = {1, 17, 4099, 300007};

/// Sums of these are exact in any order.
float integer(int rank, size_t i) {
  return static_cast<float>((i * 37 + static_cast<size_t>(rank) * 101) % 2001) - 1000;
}

void check(int code) {
  require(code == MPI_SUCCESS, "MPI failed with code ", code);
}

using Values = float (*)(int rank, size_t i);

std::vector<float> values_of(int rank, size_t count, Values value) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = value(rank, i);
  return values;
}

/// Each of the two sums is off by at most (n - 1) roundings of 2^-24 of what its terms add up to without signs.
double bound(const Communicator& communicator, size_t i, Values value) {
  double without_signs = 0;
  for (int r = 0; r < communicator.size(); ++r) without_signs += std::abs(static_cast<double>(value(r, i)));
  return 2 * (communicator.size() - 1) * 0x1p-24 * without_signs;
}

void compare(const Communicator& communicator, const char* operation, std::span<const float> ours,
             std::span<const float> theirs, size_t first, Values value) {
  for (size_t i = 0; i < ours.size(); ++i) {
    const double off = std::abs(static_cast<double>(ours[i]) - static_cast<double>(theirs[i]));
    const double most = value == integer ? 0 : bound(communicator, first + i, value);
    require(off <= most, operation, " of ", communicator.describe(), ", element ", first + i, ": ", ours[i],
            ", MPI's is ", theirs[i]);
  }
}

void compare_sums(Communicator& communicator, size_t count, Values value) {
  const std::vector<float> mine = values_of(communicator.rank(), count, value);
  std::vector<float> ours = mine, theirs(count);
  check(MPI_Allreduce(mine.data(), theirs.data(), static_cast<int>(count), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD));
  communicator.all_reduce(std::span(ours));
  compare(communicator, "all_reduce", ours, theirs, 0, value);

  const auto ranks = static_cast<size_t>(communicator.size()), r = static_cast<size_t>(communicator.rank());
  const size_t each = count / ranks;
  const Slices slices = Slices::even(0, each * ranks, communicator.size(), each == 0 ? 1 : each);
  theirs.assign(each, 0);
  check(
      MPI_Reduce_scatter_block(mine.data(), theirs.data(), static_cast<int>(each), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD));
  ours = mine;
  communicator.reduce_scatter(ours, slices);
  compare(communicator, "reduce_scatter", slices.of(std::span(ours), communicator.rank()), theirs, r * each, value);
}

void compare_gathers(Communicator& communicator, size_t each) {
  const auto ranks = static_cast<size_t>(communicator.size());
  std::vector<float> theirs(each * ranks), ours(each * ranks);
  const std::vector<float> mine = values_of(communicator.rank(), each, contribution);
  check(MPI_Allgather(mine.data(), static_cast<int>(each), MPI_FLOAT, theirs.data(), static_cast<int>(each), MPI_FLOAT,
                      MPI_COMM_WORLD));
  const Slices slices = Slices::even(0, each * ranks, communicator.size(), each);
  std::ranges::copy(mine, slices.of(std::span(ours), communicator.rank()).begin());
  communicator.all_gather(ours, slices);
  require(ours == theirs, "all_gather of ", communicator.describe());
}

template <typename T>
void compare_small(Communicator& communicator, MPI_Datatype type) {
  const std::pair<ReduceOp, MPI_Op> ops[] = {
      {ReduceOp::sum, MPI_SUM}, {ReduceOp::max, MPI_MAX}, {ReduceOp::min, MPI_MIN}};
  for (const auto& [ours_op, theirs_op] : ops) {
    std::vector<T> ours(1001), theirs(1001);
    for (size_t i = 0; i < ours.size(); ++i) ours[i] = static_cast<T>(integer(communicator.rank(), i));
    check(MPI_Allreduce(ours.data(), theirs.data(), static_cast<int>(ours.size()), type, theirs_op, MPI_COMM_WORLD));
    communicator.all_reduce(std::span(ours), ours_op);
    require(ours == theirs, "all_reduce ", static_cast<int>(ours_op), " of ", communicator.describe());
  }
}

void compare_broadcasts(Communicator& communicator) {
  for (int root = 0; root < communicator.size(); ++root) {
    std::vector<float> ours = values_of(communicator.rank(), 100003, contribution), theirs = ours;
    check(MPI_Bcast(theirs.data(), static_cast<int>(theirs.size()), MPI_FLOAT, root, MPI_COMM_WORLD));
    communicator.broadcast(std::as_writable_bytes(std::span(ours)), root);
    require(ours == theirs, "broadcast from ", root, " of ", communicator.describe());
  }
}

}  // namespace

void compare_with_mpi(Communicator& communicator) {
  for (const size_t length : lengths) {
    compare_sums(communicator, length, integer);
    compare_sums(communicator, length, contribution);
    compare_gathers(communicator, length);
  }
  compare_small<double>(communicator, MPI_DOUBLE);
  compare_small<int64_t>(communicator, MPI_INT64_T);
  compare_broadcasts(communicator);
}

}  // namespace convoy
