// What can be known of MPI without starting it; the rest is shown under mpirun by mpi/mpi_cases.
#include "distributed/mpi_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "distributed/launch.hpp"

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

using Variables = std::map<std::string, std::string>;
using testing::HasSubstr;
using testing::IsEmpty;

Launch launch_of(const Variables& variables) {
  return read_launch([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

Variables with(Variables variables, const Variables& more) {
  for (const auto& [name, value] : more) variables[name] = value;
  return variables;
}

// As Slurm 22.05 sets them.
const Variables batch_script = {
    {"SLURM_NTASKS", "4"}, {"SLURM_NPROCS", "4"}, {"SLURM_PROCID", "0"}, {"SLURM_JOB_ID", "7"}};
const Variables step_of_four = {
    {"SLURM_NTASKS", "4"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "2"}, {"SLURM_JOB_ID", "7"}};
const Variables step_of_one = {
    {"SLURM_NTASKS", "1"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}, {"SLURM_JOB_ID", "7"}};

void expect_alone(const Launch& launch) {
  EXPECT_EQ(launch.rank, 0);
  EXPECT_EQ(launch.size, 1);
  EXPECT_FALSE(launch.by_mpi);
  EXPECT_THAT(launch.mismatch, IsEmpty());
}

void expect_joined(const Launch& launch, int rank, int size) {
  EXPECT_EQ(launch.rank, rank);
  EXPECT_EQ(launch.size, size);
  EXPECT_TRUE(launch.by_mpi);
  EXPECT_THAT(launch.mismatch, IsEmpty());
}

TEST(ReadLaunch, AloneWithoutALauncherOrWithOneProcess) {
  expect_alone(launch_of({}));
  expect_alone(launch_of({{"OMPI_COMM_WORLD_SIZE", "1"}, {"OMPI_COMM_WORLD_RANK", "0"}, {"PMIX_RANK", "0"}}));
  expect_alone(launch_of(batch_script));
  expect_alone(launch_of(with(batch_script, {{"SLURM_NTASKS", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}})));
  expect_alone(launch_of(step_of_one));
  expect_alone(launch_of(with(step_of_one, {{"PMIX_RANK", "0"}, {"SLURM_MPI_TYPE", "pmix"}})));
  expect_alone(launch_of({{"PMI_SIZE", "1"}, {"PMI_RANK", "0"}}));
}

TEST(ReadLaunch, MpirunJoinsThem) {
  const Variables second = {{"OMPI_COMM_WORLD_SIZE", "3"}, {"OMPI_COMM_WORLD_RANK", "1"}, {"PMIX_RANK", "1"}};
  expect_joined(launch_of(second), 1, 3);
  // In an allocation the daemons that start the workers are a step of their own, one task on each node.
  expect_joined(launch_of(with(step_of_one, second)), 1, 3);
  expect_joined(launch_of(with(batch_script, second)), 1, 3);
  const Variables only = {{"OMPI_COMM_WORLD_SIZE", "1"}, {"OMPI_COMM_WORLD_RANK", "0"}, {"PMIX_RANK", "0"}};
  expect_alone(launch_of(with(step_of_four, only)));
}

TEST(ReadLaunch, SrunJoinsThemByPmix) {
  expect_joined(launch_of(with(step_of_four, {{"PMIX_RANK", "2"}, {"SLURM_MPI_TYPE", "pmix"}})), 2, 4);
}

TEST(ReadLaunch, SrunWithoutPmixIsAMismatch) {
  const Launch none = launch_of(step_of_four);
  EXPECT_EQ(none.rank, 2);
  EXPECT_EQ(none.size, 4);
  EXPECT_FALSE(none.by_mpi);
  EXPECT_THAT(none.mismatch, HasSubstr("srun started 4 tasks with --mpi=none"));
  EXPECT_THAT(none.mismatch, HasSubstr("use srun --mpi=pmix"));
  const Launch pmi2 = launch_of(
      with(step_of_four, {{"PMI_RANK", "2"}, {"PMI_SIZE", "4"}, {"PMI_FD", "13"}, {"SLURM_MPI_TYPE", "pmi2"}}));
  EXPECT_EQ(pmi2.rank, 2);
  EXPECT_THAT(pmi2.mismatch, HasSubstr("srun started 4 tasks with --mpi=pmi2"));
}

TEST(ReadLaunch, TheLauncherOfAnotherMpiIsAMismatch) {
  const Launch launch = launch_of({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}});
  EXPECT_EQ(launch.rank, 1);
  EXPECT_FALSE(launch.by_mpi);
  EXPECT_THAT(launch.mismatch, HasSubstr("another MPI than Convoy's (PMI_SIZE is set) started 2 processes"));
}

TEST(WorldMismatch, IsWhatMpiDidNotJoin) {
  const Launch launch = launch_of({{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_RANK", "0"}});
  EXPECT_THAT(world_mismatch(launch, 4), IsEmpty());
  EXPECT_THAT(world_mismatch(launch, 1), HasSubstr("started 4 processes, but MPI joined only 1"));
  EXPECT_THAT(world_mismatch(launch_of({}), 1), IsEmpty());
}

}  // namespace
}  // namespace convoy
