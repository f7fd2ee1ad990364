#include "distributed/hierarchical_comm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/error.hpp"
#include "tests/distributed/communicator_cases.hpp"
#include "tests/distributed/node_groups.hpp"

namespace convoy {
namespace {

using testing::HasSubstr;

// Names begin with ThreadComm: these are ranks of threads, which ThreadSanitizer can watch.
class ThreadCommOfNodes : public testing::TestWithParam<std::vector<int>> {};

TEST_P(ThreadCommOfNodes, PassesAllCases) {
  EXPECT_NO_THROW(run_groups(Topology(machines_of(GetParam()), 0), [&](WorkerGroups& groups) {
    const auto communicator = take_hierarchy(groups);
    run_communicator_cases(*communicator, {.long_slice = 1003, .groups = GetParam()});
  }));
}

INSTANTIATE_TEST_SUITE_P(Sizes, ThreadCommOfNodes,
                         testing::Values(std::vector{4}, std::vector{1, 1}, std::vector{2, 2}, std::vector{3, 1},
                                         std::vector{1, 3}, std::vector{1, 1, 1, 1}, std::vector{2, 2, 2},
                                         std::vector{4, 4}, std::vector{5, 2, 1}, std::vector{1, 2, 5},
                                         std::vector{3, 3, 2}),
                         [](const auto& test) { return name_of(test.param); });

TEST(ThreadCommOfInterleavedNodes, AreNumberedNodeByNode) {
  run_groups(Topology(std::vector{0, 1, 1, 0, 1}, 0), [&](WorkerGroups& groups) {
    const int world_rank = groups.everybody->rank();
    const auto communicator = take_hierarchy(groups);
    const std::vector<int> expected{0, 2, 3, 1, 4};
    EXPECT_EQ(communicator->rank(), expected[static_cast<size_t>(world_rank)]);
    EXPECT_EQ(communicator->size(), 5);
    run_communicator_cases(*communicator, {.long_slice = 1003, .groups = {2, 3}});
  });
}

TEST(ThreadCommOfInterleavedNodes, AreDescribed) {
  run_groups(Topology(machines_of({2, 1}), 0), [&](WorkerGroups& groups) {
    const bool in_column = groups.across != nullptr;
    const bool alone = groups.node->size() == 1;
    EXPECT_EQ(take_hierarchy(groups)->describe(),
              concat("threads, ", alone ? "1 worker" : "2 workers", " of a node; 2 nodes by ",
                     in_column ? "threads, 2 workers" : "the others"));
  });
}

// Whoever waits in its node, or across nodes for a node that waits: all fail at their deadline, or the test hangs.
TEST(ThreadCommOfNodesFailure, RankThatNeverComesFailsAll) {
  for (int missing = 0; missing < 4; ++missing) {
    std::atomic<int> failed{0}, failed_again{0};
    const auto errors = errors_of_groups(Topology(machines_of({2, 2}), 0),
                                         [&](WorkerGroups& groups) {
                                           const auto communicator = take_hierarchy(groups);
                                           std::vector<float> data(100);
                                           communicator->all_reduce(std::span(data));
                                           if (communicator->rank() == missing) {
                                             while (failed_again < 3)
                                               std::this_thread::yield();  // leaving would be noticed at once
                                             return;
                                           }
                                           try {
                                             communicator->all_reduce(std::span(data));
                                           } catch (const Error&) {
                                             ++failed;
                                             while (failed < 3) std::this_thread::yield();  // the same
                                             EXPECT_THROW(communicator->barrier(), Error);
                                             ++failed_again;
                                             throw;
                                           }
                                         },
                                         {.timeout = std::chrono::milliseconds(100)});
    for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(errors[static_cast<size_t>(rank)] == nullptr, rank == missing);
  }
}

}  // namespace
}  // namespace convoy
