// How a launcher (mpirun, srun) started this process: known from the environment, before MPI and without it.
#pragma once

#include <functional>
#include <string>

namespace convoy {

/// The value of an environment variable, or null.
using Environment = std::function<const char*(const char* name)>;

struct Launch {
  int rank = 0;  // among those started together
  int size = 1;
  /// Started as one of several that MPI joins.
  bool by_mpi = false;
  /// Empty, or why several were started that MPI cannot join, and what to do: each would take itself to be alone.
  std::string mismatch;
};

/// A pure function of the environment. A batch script's own (SLURM_NTASKS, but no step) is that of a process alone.
Launch read_launch(const Environment& environment);

/// read_launch of this process's environment.
Launch this_launch();

/// What to say where MPI found `found` processes of a launch of `launch.size`; empty where that is right.
std::string world_mismatch(const Launch& launch, int found);

}  // namespace convoy
