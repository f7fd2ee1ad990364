#include "launchers/run/control_group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/launchers/run/made_up_machine.hpp"

namespace convoy {
namespace {

using testing::EndsWith;
using testing::IsEmpty;

struct Machine : MadeUpMachine {
  using MadeUpMachine::MadeUpMachine;
  FreeMemory free() const { return free_memory(folder.path()); }
};

TEST(FreeMemory, OfTheMachine) {
  const Machine machine("0::/\n");
  EXPECT_EQ(machine.free().machine, 0u) << "cannot be told";
  machine.write("proc", "meminfo", "MemTotal:  2048 kB\nMemFree:  512 kB\nMemAvailable:  1024 kB\n");
  EXPECT_EQ(machine.free().machine, 1024u * 1024);
  EXPECT_EQ(machine.free().group, UINT64_MAX);
  EXPECT_THAT(machine.free().folder, IsEmpty());
  EXPECT_GT(free_memory().machine, 0u) << "of this one";
}

TEST(FreeMemory, OfControlGroupsInVersion2) {
  const Machine machine("0::/job/task\n");
  machine.write("sys/fs/cgroup/job/task", "memory.max", "max\n");
  machine.write("sys/fs/cgroup/job/task", "memory.current", "900\n");
  EXPECT_EQ(machine.free().group, UINT64_MAX);
  machine.write("sys/fs/cgroup/job", "memory.max", "1000\n");
  machine.write("sys/fs/cgroup/job", "memory.current", "700\n");
  EXPECT_EQ(machine.free().group, 300u) << "that of the group around it";
  EXPECT_THAT(machine.free().folder, EndsWith("/cgroup/job"));
  machine.write("sys/fs/cgroup/job", "memory.stat", "anon 100\nactive_file 50\ninactive_file 500\n");
  EXPECT_EQ(machine.free().group, 800u) << "the cache of files makes room";
  machine.write("sys/fs/cgroup/job/task", "memory.max", "950\n");
  EXPECT_EQ(machine.free().group, 50u) << "the tightest";
  machine.write("sys/fs/cgroup/job/task", "memory.current", "1200\n");
  EXPECT_EQ(machine.free().group, 0u) << "over its limit";
}

TEST(FreeMemory, OfControlGroupsInVersion1) {
  const Machine machine("4:cpu,cpuacct:/job\n7:memory:/job\n");
  machine.write("sys/fs/cgroup/cpu,cpuacct/job", "memory.limit_in_bytes", "1\n");
  EXPECT_EQ(machine.free().group, UINT64_MAX) << "another controller's folder";
  machine.write("sys/fs/cgroup/memory/job", "memory.limit_in_bytes", "1000\n");
  machine.write("sys/fs/cgroup/memory/job", "memory.usage_in_bytes", "600\n");
  machine.write("sys/fs/cgroup/memory/job", "memory.stat", "inactive_file 1\ntotal_inactive_file 100\n");
  EXPECT_EQ(machine.free().group, 500u);
}

}  // namespace
}  // namespace convoy
