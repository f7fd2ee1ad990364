// Which workers share a node.
#include "distributed/topology.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {

Topology::Topology(std::span<const int> machine, int ranks_per_node) {
  std::map<int, int> seen;                     // ranks of each machine so far
  std::map<std::pair<int, int>, int> node_of;  // (machine, group within it)
  for (int rank = 0; rank < static_cast<int>(machine.size()); ++rank) {
    const int place = seen[machine[static_cast<size_t>(rank)]]++;
    const int group = ranks_per_node > 0 ? place / ranks_per_node : 0;
    const auto [found, is_new] =
        node_of.try_emplace({machine[static_cast<size_t>(rank)], group}, static_cast<int>(members_.size()));
    if (is_new) members_.emplace_back();
    node_.push_back(found->second);
    members_[static_cast<size_t>(found->second)].push_back(rank);
  }
}

int Topology::local(int rank) const {
  const std::vector<int>& ranks = members(node(rank));
  return static_cast<int>(std::ranges::find(ranks, rank) - ranks.begin());
}

int Topology::columns() const {
  return static_cast<int>(std::ranges::min(members_, {}, &std::vector<int>::size).size());
}

bool Topology::follows_tree() const {
  if (nodes() == 1 || nodes() == ranks()) return true;
  const auto size = static_cast<int>(members_.front().size());
  if (!std::has_single_bit(static_cast<unsigned>(size))) return false;
  for (int rank = 0; rank < ranks(); ++rank) {
    if (node(rank) != rank / size) return false;
  }
  return ranks() % size == 0;
}

std::string Topology::text() const {
  std::string text =
      concat(ranks(), ranks() == 1 ? " worker" : " workers", " on ", nodes(), nodes() == 1 ? " node" : " nodes");
  std::vector<std::string> sizes;
  for (const auto& ranks : members_) sizes.push_back(std::to_string(ranks.size()));
  const bool even = std::ranges::adjacent_find(sizes, std::not_equal_to<>()) == sizes.end();
  return even ? text : concat(text, " (", join(sizes, " + "), ")");
}

}  // namespace convoy
