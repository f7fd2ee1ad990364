// Ranks as threads that are drawn on nodes: what make_groups gives of MPI's workers.
#pragma once

#include <exception>
#include <functional>
#include <numeric>
#include <thread>

#include "distributed/fabric.hpp"
#include "distributed/hierarchical_comm.hpp"
#include "tests/distributed/ranks_as_threads.hpp"

namespace convoy {

/// Machines of so many ranks each, one after another: {2, 1} gives 0, 0, 1.
inline std::vector<int> machines_of(const std::vector<int>& sizes) {
  std::vector<int> machines;
  for (size_t node = 0; node < sizes.size(); ++node)
    machines.insert(machines.end(), sizes[node], static_cast<int>(node));
  return machines;
}

/// "3_1": for the names of tests.
inline std::string name_of(const std::vector<int>& sizes) {
  std::string name;
  for (const int size : sizes) name += (name.empty() ? "" : "_") + std::to_string(size);
  return name;
}

/// The groups of each rank.
inline std::vector<WorkerGroups> groups_of_threads(const Topology& topology, const CommunicatorOptions& options) {
  std::vector<WorkerGroups> groups(static_cast<size_t>(topology.ranks()));
  const auto hand_out = [&](const std::vector<int>& ranks, std::unique_ptr<Communicator> WorkerGroups::*place) {
    auto communicators = make_thread_communicators(static_cast<int>(ranks.size()), options);
    for (size_t i = 0; i < ranks.size(); ++i)
      groups[static_cast<size_t>(ranks[i])].*place = std::move(communicators[i]);
  };
  std::vector<int> all(groups.size());
  std::iota(all.begin(), all.end(), 0);
  hand_out(all, &WorkerGroups::everybody);
  hand_out(all, &WorkerGroups::all_slices);
  for (int node = 0; node < topology.nodes(); ++node) {
    hand_out(topology.members(node), &WorkerGroups::node);
    hand_out(topology.members(node), &WorkerGroups::node_again);
  }
  for (int column = 0; column < topology.columns() && topology.nodes() > 1; ++column) {
    std::vector<int> ranks;
    for (int node = 0; node < topology.nodes(); ++node) {
      ranks.push_back(topology.members(node)[static_cast<size_t>(column)]);
    }
    hand_out(ranks, &WorkerGroups::across);
  }
  for (WorkerGroups& each : groups) each.topology = topology;
  return groups;
}

/// Over a rank's node and column, which it takes.
inline std::unique_ptr<Communicator> take_hierarchy(WorkerGroups& groups) {
  std::unique_ptr<Communicator> outer = std::move(groups.across);
  if (groups.topology.nodes() == 1) outer = make_solo_communicator();
  return std::make_unique<HierarchicalComm>(std::move(groups.node), std::move(outer));
}

/// Runs a function on every rank at once. The errors of the ranks, nullptr where there was none.
inline std::vector<std::exception_ptr> errors_of_groups(const Topology& topology,
                                                        const std::function<void(WorkerGroups&)>& run,
                                                        const CommunicatorOptions& options = patient) {
  auto groups = groups_of_threads(topology, options);
  std::vector<std::exception_ptr> errors(groups.size());
  std::vector<std::thread> threads;
  for (size_t r = 0; r < groups.size(); ++r) {
    threads.emplace_back([&, r] {
      try {
        run(groups[r]);
      } catch (...) {
        errors[r] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

/// Rethrows the first error.
inline void run_groups(const Topology& topology, const std::function<void(WorkerGroups&)>& run) {
  for (const auto& error : errors_of_groups(topology, run)) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace convoy
