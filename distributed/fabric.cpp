#include "distributed/fabric.hpp"

#include "core/base/error.hpp"

namespace convoy {

WorkerGroups make_groups(MpiWorld& world, int ranks_per_node) {
  WorkerGroups groups;
  groups.topology = Topology(world.machines(), ranks_per_node);
  const Topology& topology = groups.topology;
  const int node = topology.node(world.rank()), place = topology.local(world.rank());
  groups.everybody = world.make_communicator();
  groups.all_slices = world.make_communicator();
  groups.node = world.make_communicator(node);
  groups.node_again = world.make_communicator(node);
  const bool in_column = topology.nodes() > 1 && place < topology.columns();
  groups.across = world.make_communicator(in_column ? place : MpiWorld::no_group);
  return groups;
}

Fabric::Fabric(WorkerGroups& groups, ExchangeKind kind, const WindowSize& size, const CommunicatorOptions& options)
    : groups_(groups), kind_(kind) {
  if (kind == ExchangeKind::flat) return;
  // All nodes or none, so that one machine's fault does not make the others' runs differ from a run elsewhere.
  std::string mine;
  if (groups.node->size() > 1) window_ = SharedWindow::make(*groups.node, size, options, mine);
  const std::vector<std::string> all = groups.everybody->gather_texts(mine);
  for (size_t rank = 0; rank < all.size() && problem_.empty(); ++rank) {
    if (all[rank].empty()) continue;
    problem_ = concat("the workers of a node exchange messages, not shared memory: ", all[rank]);
  }
  if (!problem_.empty()) window_.reset();
  if (!window_) return;
  reduce_ = window_->make_communicator();
  gather_ = window_->make_communicator();
  if (groups.topology.nodes() == 1) everybody_ = window_->make_communicator();
}

ExchangePaths Fabric::paths() const {
  const WorkerGroups& g = groups_;
  if (kind_ == ExchangeKind::flat) return {.everybody = *g.everybody, .reduce = *g.all_slices, .gather = *g.all_slices};
  return {.everybody = everybody_ ? *everybody_ : *g.everybody,
          .reduce = window_ ? *reduce_ : *g.node,
          .gather = window_ ? *gather_ : *g.node_again,
          .across = g.across.get(),
          .columns = g.topology.nodes() > 1 ? g.topology.columns() : 0,
          .many_nodes = g.topology.nodes() > 1};
}

std::string Fabric::describe() const {
  const int nodes = groups_.topology.nodes();
  if (kind_ == ExchangeKind::flat) return "MPI between all workers";
  const std::string inside = window_ ? "shared memory" : "MPI";
  if (groups_.topology.ranks() == nodes) return concat("MPI across ", nodes, " nodes");
  return nodes == 1 ? inside : concat(inside, " within each of ", nodes, " nodes, MPI across");
}

}  // namespace convoy
