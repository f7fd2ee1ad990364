// SharedWindow and its communicators between processes: the cases, what one of them cannot have, and their deaths.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>

#include "core/base/error.hpp"
#include "core/base/timer.hpp"
#include "distributed/shared_window.hpp"
#include "tests/distributed/case_tools.hpp"
#include "tests/distributed/ranks_as_processes.hpp"

namespace convoy {
namespace {

using std::chrono::milliseconds;

void expect_success(const std::vector<int>& statuses) {
  for (size_t r = 0; r < statuses.size(); ++r) EXPECT_EQ(statuses[r], 0) << "wait status of rank " << r;
}

class WindowOfProcesses : public testing::TestWithParam<int> {};

TEST_P(WindowOfProcesses, PassesAllCases) {
  expect_success(run_processes(GetParam(), [&](Communicator& node) {
    const auto ranks = static_cast<size_t>(GetParam());
    CaseSetting setting{.long_slice = 80000 / ranks + 1};  // more than a bounce buffer
    const size_t floats = setting.long_slice * ranks + 32;
    std::string problem;
    const auto window =
        SharedWindow::make(node, {.common_bytes = 4096, .own_bytes = floats * sizeof(float)}, {}, problem);
    require(window != nullptr, problem);
    const auto communicator = window->make_communicator();
    run_communicator_cases(*communicator, setting);
    setting.memory = {reinterpret_cast<float*>(window->own().data()), floats};
    run_communicator_cases(*communicator, setting);

    // The common part is one memory: what any rank writes, the next reads.
    auto& counter = *reinterpret_cast<int*>(window->common().data());
    for (int turn = 0; turn < GetParam(); ++turn) {
      if (turn == node.rank()) ++counter;
      communicator->barrier();
    }
    require(counter == GetParam(), "counted to ", counter);
    communicator->barrier();
    return 0;
  }));
}

INSTANTIATE_TEST_SUITE_P(Ranks, WindowOfProcesses, testing::Values(1, 2, 3, 4, 8));

/// 0 if this rank got no window, and was told why with these words.
int refused(Communicator& node, const std::string& words) {
  std::string problem;
  const auto window = SharedWindow::make(node, {.common_bytes = 64 << 20, .own_bytes = 64 << 20}, {}, problem);
  if (window == nullptr && problem.find(words) != std::string::npos) return 0;
  std::fprintf(stderr, "rank %d: %s\n", node.rank(), window ? "got a window" : problem.c_str());
  return 1;
}

TEST(WindowsOfProcesses, AreRefusedWhereFilesMayNotBeSoLarge) {
  expect_success(run_processes(3, [](Communicator& node) {
    const rlimit small{.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    if (node.rank() == 0) setrlimit(RLIMIT_FSIZE, &small);
    return refused(node, "worker 0 of the node: the limit on the size of files (ulimit -f) is below ");
  }));
}

TEST(WindowsOfProcesses, OfOneThatCannotMapThemAreNobodys) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "sanitizers need more addresses than the limit leaves";
#endif
  expect_success(run_processes(3, [](Communicator& node) {
    const rlimit small{.rlim_cur = 128 << 20, .rlim_max = 128 << 20};
    if (node.rank() == 1) setrlimit(RLIMIT_AS, &small);
    return refused(node, "worker 1 of the node: mapping it: Cannot allocate memory");
  }));
}

/// What a survivor must see when one of three is lost: the deadline, the reason, and no second wait.
int survive(Communicator& communicator, const char* expected, std::chrono::duration<double> timeout) {
  std::string message;
  try {
    std::vector<float> data(100);
    communicator.all_reduce(std::span(data));
  } catch (const Error& error) {
    require(error.code() == ExitCode::peer_lost, "code ", static_cast<int>(error.code()));
    message = error.what();
  }
  require(message.find(expected) != std::string::npos, "'", message, "'");
  const Timer again;
  try {
    communicator.barrier();
    return 1;
  } catch (const Error& error) {
    require(error.what() == message, "then '", error.what(), "'");
  }
  require(again.seconds() < timeout.count() / 2, "waited again, ", again.seconds(), " s");
  return 0;
}

class LostRank : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(LostRank, IsMissedByTheOthersAtTheDeadline) {
  const auto [victim, number] = GetParam();
  // Long, as a machine under load may keep the others from running too.
  constexpr CommunicatorOptions options{.timeout = milliseconds(1000)};
  const auto run = [&, victim = victim, number = number](Communicator& node) {
    std::string problem;
    const auto window = SharedWindow::make(node, {.common_bytes = 4096}, options, problem);
    require(window != nullptr, problem);
    const auto communicator = window->make_communicator();
    for (int i = 0; i < 50; ++i) communicator->barrier();
    if (node.rank() == victim) raise(number);
    return survive(*communicator, "all_reduce of floats: only 2 of 3 workers came within 1 s", options.timeout);
  };
  const auto end_the_stopped = [victim = victim](const std::vector<pid_t>& processes) {
    for (int r = 0; r < 3; ++r) {
      siginfo_t ended{};
      if (r != victim) waitid(P_PID, static_cast<id_t>(processes[static_cast<size_t>(r)]), &ended, WEXITED | WNOWAIT);
    }
    kill(processes[static_cast<size_t>(victim)], SIGKILL);
  };
  const auto statuses = run_processes(3, run, end_the_stopped);
  for (int r = 0; r < 3; ++r) EXPECT_EQ(statuses[static_cast<size_t>(r)], r == victim ? SIGKILL : 0) << "rank " << r;
}

INSTANTIATE_TEST_SUITE_P(VictimsAndSignals, LostRank,
                         testing::Combine(testing::Values(0, 2), testing::Values(SIGKILL, SIGSTOP)));

// The dead have come to the meeting, and sleep in its count: who comes later is not alone, but goes no further.
TEST(LostRanks, ThatSleptInAMeetingAreMissedAtTheNext) {
  constexpr CommunicatorOptions options{.timeout = milliseconds(1000)};
  const auto run = [&](Communicator& node) {
    std::string problem;
    const auto window = SharedWindow::make(node, {.common_bytes = 4096}, options, problem);
    require(window != nullptr, problem);
    const auto communicator = window->make_communicator();
    auto* process_of_1 = reinterpret_cast<std::atomic<pid_t>*>(window->common().data());
    if (node.rank() == 1) {
      *process_of_1 = getpid();
      communicator->barrier();
      return 1;  // does not wake
    }
    if (node.rank() == 0) {
      communicator->barrier();
      return survive(*communicator, "only 2 of 3 workers came within 1 s", options.timeout);
    }
    while (*process_of_1 == 0) usleep(1000);
    usleep(50000);  // it sleeps
    kill(*process_of_1, SIGKILL);
    usleep(50000);
    communicator->barrier();
    return survive(*communicator, "only 2 of 3 workers came within 1 s", options.timeout);
  };
  const auto statuses = run_processes(3, run);
  EXPECT_EQ(statuses, (std::vector<int>{0, SIGKILL, 0}));
}

}  // namespace
}  // namespace convoy
