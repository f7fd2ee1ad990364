// Whole exchanges of a training step, update included, timed against MPI's all-reduce and an update of one's own.
#pragma once

#include "launchers/run/allreduce_timing.hpp"

namespace convoy {

struct ExchangeTimingOptions : WorkerBenchOptions {
  int64_t bytes = 244'403'360;  // of gradients: AlexNet's 61,100,840 parameters
  int64_t bucket_bytes = int64_t{4} << 20;
};

/// mpi, mpi-pieces: all-reduce of the gradients, then every worker updates all weights. flat, hierarchical: as training
/// does it. -bf16: gradients cross between processes as bf16. The optimizer is momentum. Collective. Rows have no
/// `wrong`: what an exchange computes is shown by the tests.
AllreduceTiming time_exchange(Worker& worker, const ExchangeTimingOptions& options);

}  // namespace convoy
