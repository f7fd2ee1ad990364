// What runs on nodes drawn between MPI's workers: hierarchies of communicators, and whole exchanges.
#pragma once

#include "distributed/fabric.hpp"

namespace convoy {

/// Over this worker's node, in shared memory if asked for, and its column. Takes both from `groups`.
std::unique_ptr<Communicator> make_hierarchy(WorkerGroups& groups, bool shared, const CommunicatorOptions& options);

/// The communicator cases and MPI's own results over hierarchies of nodes of so many workers; 0: the machine is one.
void run_cases_of_nodes(MpiWorld& world, int ranks_per_node);

/// Training runs by every kind of exchange against one serial update.
void run_exchanges_of_nodes(MpiWorld& world, int ranks_per_node);

}  // namespace convoy
