// What can be known of MPI without starting it; the rest is shown under mpirun by mpi/mpi_cases.
#include "distributed/mpi_world.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

namespace convoy {
namespace {

bool launched_with(const std::map<std::string, std::string>& environment) {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS"}) unsetenv(name);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  return launched_by_mpi();
}

TEST(LaunchedByMpi, IsReadFromTheEnvironment) {
  EXPECT_FALSE(launched_with({}));
  EXPECT_TRUE(launched_with({{"OMPI_COMM_WORLD_SIZE", "4"}, {"PMIX_RANK", "0"}}));
  EXPECT_FALSE(launched_with({{"OMPI_COMM_WORLD_SIZE", "1"}, {"PMIX_RANK", "0"}}));
  EXPECT_TRUE(launched_with({{"PMIX_RANK", "1"}, {"SLURM_NTASKS", "2"}}));
  EXPECT_TRUE(launched_with({{"PMIX_RANK", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}}));
  EXPECT_FALSE(launched_with({{"PMIX_RANK", "0"}, {"SLURM_NTASKS", "1"}})) << "srun -n 1";
  EXPECT_FALSE(launched_with({{"SLURM_NTASKS", "4"}})) << "a batch script itself";
  EXPECT_FALSE(launched_with({{"OMPI_COMM_WORLD_SIZE", "many"}}));
}

}  // namespace
}  // namespace convoy
