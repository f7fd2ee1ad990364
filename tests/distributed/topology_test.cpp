#include "distributed/topology.hpp"

#include <gtest/gtest.h>

#include "tests/distributed/communicator_cases.hpp"
#include "tests/distributed/node_groups.hpp"

namespace convoy {
namespace {

std::vector<std::vector<int>> members_of(const Topology& topology) {
  std::vector<std::vector<int>> members;
  for (int node = 0; node < topology.nodes(); ++node) members.push_back(topology.members(node));
  return members;
}

using Members = std::vector<std::vector<int>>;

TEST(Topology, OfOneWorker) {
  const Topology topology;
  EXPECT_EQ(members_of(topology), (Members{{0}}));
  EXPECT_EQ(topology.text(), "1 worker on 1 node");
  EXPECT_EQ(topology.columns(), 1);
  EXPECT_TRUE(topology.follows_tree());
}

TEST(Topology, TakesTheMachinesBorders) {
  const Topology topology(std::vector{7, 7, 7, 2}, 0);
  EXPECT_EQ(members_of(topology), (Members{{0, 1, 2}, {3}}));
  EXPECT_EQ(topology.ranks(), 4);
  EXPECT_EQ(topology.node(2), 0);
  EXPECT_EQ(topology.node(3), 1);
  EXPECT_EQ(topology.local(2), 2);
  EXPECT_EQ(topology.local(3), 0);
  EXPECT_EQ(topology.local_size(1), 3);
  EXPECT_EQ(topology.local_size(3), 1);
  EXPECT_EQ(topology.columns(), 1);
  EXPECT_EQ(topology.text(), "4 workers on 2 nodes (3 + 1)");
}

TEST(Topology, OfInterleavedRanks) {
  const Topology topology(std::vector{5, 0, 0, 5, 5}, 0);
  EXPECT_EQ(members_of(topology), (Members{{0, 3, 4}, {1, 2}})) << "nodes are numbered by their first rank";
  EXPECT_EQ(topology.local(3), 1);
  EXPECT_EQ(topology.columns(), 2);
  EXPECT_FALSE(topology.follows_tree());
}

TEST(Topology, BordersAreDrawnWithinMachines) {
  const std::vector<int> one(4, 0);
  EXPECT_EQ(members_of(Topology(one, 1)), (Members{{0}, {1}, {2}, {3}}));
  EXPECT_EQ(members_of(Topology(one, 2)), (Members{{0, 1}, {2, 3}}));
  EXPECT_EQ(members_of(Topology(one, 3)), (Members{{0, 1, 2}, {3}}));
  EXPECT_EQ(members_of(Topology(one, 4)), (Members{{0, 1, 2, 3}}));
  EXPECT_EQ(members_of(Topology(one, 9)), (Members{{0, 1, 2, 3}}));
  EXPECT_EQ(members_of(Topology(std::vector{0, 0, 0, 1, 1}, 2)), (Members{{0, 1}, {2}, {3, 4}}))
      << "a machine's border stays one";
  EXPECT_EQ(members_of(Topology(std::vector{0, 1, 0, 1, 0}, 2)), (Members{{0, 2}, {1, 3}, {4}}));
}

TEST(Topology, TextNamesUnevenNodes) {
  EXPECT_EQ(Topology(machines_of({2}), 0).text(), "2 workers on 1 node");
  EXPECT_EQ(Topology(machines_of({2, 2}), 0).text(), "4 workers on 2 nodes");
  EXPECT_EQ(Topology(machines_of({1, 1, 1}), 0).text(), "3 workers on 3 nodes");
  EXPECT_EQ(Topology(machines_of({5, 2, 1}), 0).text(), "8 workers on 3 nodes (5 + 2 + 1)");
}

// The oracle: the sum over nodes of the sums inside them has the bits of the sum over all, element for element.
bool sums_are_those_of_the_tree(const Topology& topology) {
  std::vector<int> sizes;
  for (const auto& members : members_of(topology)) sizes.push_back(static_cast<int>(members.size()));
  for (size_t i = 0; i < 2000; ++i) {
    if (expected_sum(sizes, i) != expected_sum(topology.ranks(), i)) return false;
  }
  return true;
}

TEST(Topology, FollowsTheTreeWhereSumsHaveItsBits) {
  int following = 0, others = 0;
  const auto check = [&](const std::vector<int>& sizes) {
    const Topology topology(machines_of(sizes), 0);
    EXPECT_TRUE(!topology.follows_tree() || sums_are_those_of_the_tree(topology)) << topology.text();
    ++(topology.follows_tree() ? following : others);
  };
  for (const auto& sizes : std::vector<std::vector<int>>{
           {1}, {5}, {1, 1, 1}, {2, 2}, {2, 2, 2}, {4, 4}, {4, 4, 4}, {2, 2, 2, 2}, {8, 8}, {1, 1, 1, 1, 1}}) {
    check(sizes);
  }
  EXPECT_EQ(following, 10);
  // Some of these sums would have the right bits, but only equal nodes are promised to.
  for (const auto& sizes : std::vector<std::vector<int>>{{3, 3}, {3, 1}, {1, 3}, {2, 1}, {5, 2, 1}, {4, 2}, {6, 6}}) {
    check(sizes);
  }
  EXPECT_EQ(others, 7);
  EXPECT_FALSE(Topology(std::vector{0, 1, 0, 1}, 0).follows_tree()) << "neighbours are not on one node";
  EXPECT_FALSE(sums_are_those_of_the_tree(Topology(machines_of({3, 3}), 0))) << "else this could not fail";
}

}  // namespace
}  // namespace convoy
