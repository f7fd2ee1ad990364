// All-reduces between the workers, timed: what Convoy's exchanges take, and what MPI's own takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "launchers/run/worker.hpp"

namespace convoy {

/// What the benchmarks between workers have in common.
struct WorkerBenchOptions {
  std::vector<std::string> algorithms;     // of allreduce_algorithms(); empty: all that make sense here
  int64_t rounds = 5;                      // the algorithms take turns; figures are medians over these
  int64_t piece_bytes = int64_t{1} << 20;  // of mpi-pieces
  int ranks_per_node = 0;
  double timeout = 60;
};

struct AllreduceOptions : WorkerBenchOptions {
  int64_t least_bytes = 1024, most_bytes = int64_t{256} << 20, factor = 4;
  double seconds = 0.05;  // of one algorithm in one round, about
};

struct AllreduceRow {
  std::string algorithm;
  int64_t bytes = 0;
  double seconds = 0;  // of one, the slowest worker's
  int64_t wrong = 0;   // elements that were not the sum, over all workers
};

struct AllreduceTiming {
  std::string workers;  // "4 workers on 2 nodes"
  int size = 1;
  std::string problem;  // why memory is not shared, or ""
  std::vector<AllreduceRow> rows;
};

/// mpi: one MPI_Allreduce. mpi-pieces: one for each piece. flat: reduce-scatter and all-gather by messages.
/// hierarchical: within nodes in shared memory, across by messages. -bf16: gradients cross between processes as bf16.
const std::vector<std::string>& allreduce_algorithms();

/// Collective: throws Error(usage) for an unknown algorithm, or where there is but one worker.
void check_algorithms(Worker& worker, const std::string& bench, const std::vector<std::string>& algorithms);

/// Collective.
AllreduceTiming time_allreduce(Worker& worker, const AllreduceOptions& options);

}  // namespace convoy
