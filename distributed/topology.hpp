// Which workers share a node: the borders that MPI tells, or narrower ones drawn for rehearsal.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace convoy {

/// Ranks of a run by node. Nodes are numbered by their first rank, ranks within a node by their rank.
class Topology {
 public:
  Topology() : Topology(std::vector<int>{0}, 0) {}
  /// machine[r] tells ranks of different machines apart, by any numbers. ranks_per_node > 0 draws a border within a
  /// machine after every so many of its ranks.
  Topology(std::span<const int> machine, int ranks_per_node);

  int ranks() const { return static_cast<int>(node_.size()); }
  int nodes() const { return static_cast<int>(members_.size()); }
  int node(int rank) const { return node_[static_cast<size_t>(rank)]; }
  /// The ranks of a node, rising.
  const std::vector<int>& members(int node) const { return members_[static_cast<size_t>(node)]; }
  /// The place of a rank among those of its node.
  int local(int rank) const;
  int local_size(int rank) const { return static_cast<int>(members(node(rank)).size()); }

  /// Workers of each node that talk across nodes, each for a part of the data: as many as the smallest node has.
  int columns() const;

  /// True if summing inside the nodes first and then across them is the binary tree over all ranks.
  bool follows_tree() const;

  /// "4 workers on 2 nodes", "4 workers on 2 nodes (3 + 1)".
  std::string text() const;

 private:
  std::vector<int> node_;  // of each rank
  std::vector<std::vector<int>> members_;
};

}  // namespace convoy
