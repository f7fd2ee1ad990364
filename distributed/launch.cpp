// What the launchers' variables mean. Whoever started this process last has set the ones that count: mpirun inside a
// Slurm job hands Slurm's own variables on, so Open MPI's come first.
#include "distributed/launch.hpp"

#include <cstdlib>

#include "core/base/error.hpp"

namespace convoy {
namespace {

constexpr const char* harm = "each would take itself to be alone and do the whole work";

}  // namespace

Launch read_launch(const Environment& environment) {
  const auto has = [&](const char* name) { return environment(name) != nullptr; };
  const auto number = [&](const char* name) { return has(name) ? std::atoi(environment(name)) : 0; };

  Launch launch;
  if (has("OMPI_COMM_WORLD_SIZE")) {
    launch.size = number("OMPI_COMM_WORLD_SIZE");
    launch.rank = number("OMPI_COMM_WORLD_RANK");
    launch.by_mpi = launch.size > 1;
  } else if (has("PMIX_RANK")) {  // srun --mpi=pmix
    launch.size = has("SLURM_STEP_NUM_TASKS") ? number("SLURM_STEP_NUM_TASKS") : number("SLURM_NTASKS");
    launch.rank = number("PMIX_RANK");
    launch.by_mpi = launch.size > 1;
  } else if (number("SLURM_STEP_NUM_TASKS") > 1 && number("SLURM_STEP_NUM_TASKS") == number("SLURM_NTASKS")) {
    // A batch script, too, has SLURM_NTASKS and SLURM_PROCID. One that was submitted from a task has that task's
    // SLURM_STEP_NUM_TASKS as well, beside a number of tasks of its own.
    launch.size = number("SLURM_STEP_NUM_TASKS");
    launch.rank = number("SLURM_PROCID");
    const std::string type = has("SLURM_MPI_TYPE") ? environment("SLURM_MPI_TYPE") : "none";
    launch.mismatch =
        concat("srun started ", launch.size, " tasks with --mpi=", type, ", by which Open MPI cannot join them: ", harm,
               "; use srun --mpi=pmix, or start one task (srun -n 1)");
  } else if (number("PMI_SIZE") > 1) {
    launch.size = number("PMI_SIZE");
    launch.rank = number("PMI_RANK");
    launch.mismatch = concat("a launcher of another MPI than Convoy's (PMI_SIZE is set) started ", launch.size,
                             " processes: ", harm, "; use Open MPI's mpirun or srun --mpi=pmix, or start one process");
  }
  if (launch.size < 1) launch.size = 1;
  return launch;
}

Launch this_launch() {
  return read_launch([](const char* name) { return std::getenv(name); });
}

std::string world_mismatch(const Launch& launch, int found) {
  if (found == launch.size || !launch.by_mpi) return "";
  return concat("the launcher started ", launch.size, " processes, but MPI joined only ", found,
                " of them: launcher and MPI library do not fit each other; use the mpirun of the same Open MPI, or ",
                "srun --mpi=pmix with a PMIx of the same version (`convoy --version` tells which MPI this is)");
}

}  // namespace convoy
