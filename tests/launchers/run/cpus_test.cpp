#include "launchers/run/cpus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/launchers/run/made_up_machine.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Cpus, ListsReadBack) {
  EXPECT_EQ(cpu_list_text({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
  EXPECT_EQ(parse_cpu_list("0-2,5,7-8"), (std::vector<int>{0, 1, 2, 5, 7, 8}));
  EXPECT_FALSE(allowed_cpus().empty());
  EXPECT_EQ(parse_cpu_list(cpu_list_text(allowed_cpus())), allowed_cpus());
}

TEST(Cpus, AreSharedAmongTheWorkersOfAHost) {
  const std::vector<int> all = {0, 1, 2, 3, 4, 5};
  EXPECT_EQ(share_of_cpus({{"a", all}}, 0), 6);
  EXPECT_EQ(share_of_cpus({{"a", all}, {"a", all}, {"b", all}}, 0), 3);
  EXPECT_EQ(share_of_cpus({{"a", all}, {"a", all}, {"b", all}}, 2), 6);
  EXPECT_EQ(share_of_cpus({{"a", {0, 1}}, {"a", {2, 3}}}, 1), 2) << "bound to cores of their own";
  EXPECT_EQ(share_of_cpus({{"a", {0}}, {"a", {0}}, {"a", {0}}}, 0), 1) << "never none";
  EXPECT_EQ(share_of_cpus({{"a", all}, {"a", all}, {"a", all}}, 0), 2) << "six thirds are two whole ones";
}

TEST(Cpus, ALimitIsSharedByTheWorkersUnderIt) {
  const std::vector<int> all = {0, 1, 2, 3, 4, 5, 6, 7};
  const CpuLimit limit{.cpus = 4.5, .group = "/job"};
  EXPECT_EQ(share_of_cpus({{"a", all, limit}}, 0), 4);
  EXPECT_EQ(share_of_cpus({{"a", all, limit}, {"a", all, limit}}, 0), 2);
  EXPECT_EQ(share_of_cpus({{"a", all, limit}, {"b", all, limit}}, 0), 4) << "of one host";
  EXPECT_EQ(share_of_cpus({{"a", all, limit}, {"a", all, {4.5, "/other"}}}, 0), 4) << "under a limit each";
  EXPECT_EQ(share_of_cpus({{"a", {0, 1}, limit}}, 0), 2) << "fewer CPUs than the limit";
  EXPECT_EQ(share_of_cpus({{"a", all, {0.5, "/job"}}}, 0), 1) << "never none";
}

TEST(Cpus, ClaimsReadBack) {
  const CpuClaim claim = parse_claim(claim_text({"host-1", {0, 1, 5}, {1.5, "/sys/fs/cgroup/job one"}, 3}));
  EXPECT_EQ(claim.host, "host-1");
  EXPECT_EQ(claim.cpus, (std::vector<int>{0, 1, 5}));
  EXPECT_EQ(claim.limit.cpus, 1.5);
  EXPECT_EQ(claim.limit.group, "/sys/fs/cgroup/job one");
  EXPECT_EQ(claim.asked, 3);
  EXPECT_EQ(parse_claim("nonsense").asked, 0);
}

struct Machine : MadeUpMachine {
  using MadeUpMachine::MadeUpMachine;
  double limit() const { return cpu_limit(folder.path()).cpus; }
};

TEST(CpuLimit, OfControlGroupsInVersion2) {
  const Machine machine("0::/job/task\n");
  EXPECT_EQ(machine.limit(), 0) << "no such files";
  machine.write("sys/fs/cgroup/job/task", "cpu.max", "max 100000\n");
  EXPECT_EQ(machine.limit(), 0);
  machine.write("sys/fs/cgroup/job", "cpu.max", "250000 100000\n");
  EXPECT_EQ(machine.limit(), 2.5) << "that of the group around it";
  EXPECT_THAT(cpu_limit(machine.folder.path()).group, EndsWith("/cgroup/job"));
  machine.write("sys/fs/cgroup/job/task", "cpu.max", "50000 100000\n");
  EXPECT_EQ(machine.limit(), 0.5) << "the tightest";
}

TEST(CpuLimit, OfAContainerThatSeesItselfAsTheRoot) {
  const Machine inside("0::/\n");
  inside.write("sys/fs/cgroup", "cpu.max", "200000 100000\n");
  EXPECT_EQ(inside.limit(), 2);
  const Machine named_from_outside("0::/docker/0a1b2c\n");
  named_from_outside.write("sys/fs/cgroup", "cpu.max", "200000 100000\n");
  EXPECT_EQ(named_from_outside.limit(), 2);
}

TEST(CpuLimit, OfControlGroupsInVersion1) {
  const Machine machine("5:memory:/other\n4:cpu,cpuacct:/job\n0::/\n");
  machine.write("sys/fs/cgroup/cpu,cpuacct/job", "cpu.cfs_quota_us", "-1\n");
  machine.write("sys/fs/cgroup/cpu,cpuacct/job", "cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(machine.limit(), 0);
  machine.write("sys/fs/cgroup/cpu,cpuacct/job", "cpu.cfs_quota_us", "300000\n");
  EXPECT_EQ(machine.limit(), 3);
}

TEST(CpuLimit, NonsenseIsNoLimit) {
  const Machine machine("nonsense\n0::\n");
  for (const char* text : {"", "x", "1 0", "-5 100000", "many 100000"}) {
    machine.write("sys/fs/cgroup", "cpu.max", text);
    EXPECT_EQ(machine.limit(), 0) << text;
  }
}

const std::vector<int> two = {0, 1}, four = {0, 1, 2, 3};

TEST(Crowding, IsSilentWhereEveryThreadHasACore) {
  EXPECT_EQ(crowding_text({{"a", two}}), "");
  EXPECT_EQ(crowding_text({{"a", {0}}, {"a", {1}}}), "") << "bound";
  EXPECT_EQ(crowding_text({{"a", two}, {"a", two}}), "") << "one core each, as mpirun --bind-to none has it";
  EXPECT_EQ(crowding_text({{"a", four}, {"a", four}, {"a", four}}), "");
  EXPECT_EQ(crowding_text({{"a", two}, {"b", two}, {"a", two}, {"b", two}}), "") << "on two hosts";
  EXPECT_EQ(crowding_text({{"a", {0}}, {"a", two}}), "") << "the second one has core 1 to itself";
  EXPECT_EQ(crowding_text({{"a", four, {}, 2}, {"a", four, {}, 2}}), "");
  EXPECT_EQ(crowding_text({{"a", four, {2.5, "/"}}, {"a", four, {2.5, "/"}}}), "") << "within their limit";
  EXPECT_EQ(crowding_text({{"a", four, {0.5, "/"}}}), "") << "one thread is the least there is";
}

TEST(Crowding, TellsWhoSharesWhat) {
  EXPECT_EQ(
      crowding_text({{"a", two}, {"a", two}, {"a", two}, {"a", two}}),
      "workers 0-3 on a share 2 cores: each step is as slow as the busiest core; start fewer workers or bind them "
      "(launchers/local does)");
  EXPECT_THAT(crowding_text({{"a", four}, {"a", {3}}, {"a", {3}}}), StartsWith("workers 1-2 on a share 1 core:"))
      << "there are enough cores, but two workers are bound to the same one";
  EXPECT_THAT(crowding_text({{"a", {0, 1}}, {"a", {1, 2}}, {"a", {0, 2}}, {"a", {0, 1, 2}}, {"a", {2}}}),
              StartsWith("workers 0-4 on a share 3 cores:"))
      << "by no pair alone";
}

TEST(Crowding, TellsOfThreadsThatWereAskedFor) {
  EXPECT_EQ(crowding_text({{"a", two, {}, 4}}),
            "worker 0 on a is to run 4 threads on 2 cores: they wait for each other; use --threads 2");
  EXPECT_EQ(
      crowding_text({{"a", two, {}, 2}, {"a", two, {}, 2}}),
      "workers 0-1 on a are to run 4 threads on 2 cores: each step is as slow as the busiest core; use --threads 1");
}

TEST(Crowding, TellsOfALimit) {
  const CpuLimit limit{.cpus = 1.5, .group = "/job"};
  EXPECT_EQ(crowding_text({{"a", four, limit}, {"a", four, limit}}),
            "workers 0-1 on a share 1.5 cores (a limit of their control group): each step is as slow as the busiest "
            "core; start fewer workers");
  EXPECT_THAT(crowding_text({{"a", four, limit, 4}}), HasSubstr("4 threads on 1.5 cores"));
}

TEST(Crowding, IsOneLineAboutTheWorstHost) {
  const std::string text = crowding_text({{"a", two}, {"a", two}, {"a", two}, {"b", {0}}, {"b", {0}}, {"c", two}});
  EXPECT_THAT(text, AllOf(StartsWith("workers 3-4 on b (and 1 more host like it) share 1 core"), Not(HasSubstr("\n"))));
}

}  // namespace
}  // namespace convoy
