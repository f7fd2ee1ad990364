// A communicator made of two: `inner` within a node, `outer` across nodes (design 11).
//
// Every node has an inner communicator. Its first ranks, the columns, have an outer one as well, over the ranks in the
// same place of all nodes; a node with more ranks than others leaves the rest without. Ranks are numbered node by node.
// Sums are taken inside the nodes first.
#pragma once

#include <memory>
#include <vector>

#include "distributed/communicator.hpp"

namespace convoy {

class HierarchicalComm : public Communicator {
 public:
  /// Collective. `outer` is null for a rank that is in no column.
  HierarchicalComm(std::unique_ptr<Communicator> inner, std::unique_ptr<Communicator> outer);

  int rank() const override { return first_[static_cast<size_t>(node_)] + inner_->rank(); }
  int size() const override { return first_.back(); }
  int nodes() const { return static_cast<int>(first_.size()) - 1; }
  std::string describe() const override;

  using Communicator::all_gather;
  using Communicator::all_reduce;
  using Communicator::reduce_scatter;
  /// Moves as much as an all_reduce.
  void reduce_scatter(std::span<float> data, const Slices& slices, Wire wire) override;
  /// Across nodes, the first column moves everything.
  void all_gather(std::span<float> data, const Slices& slices, Wire wire) override;
  /// Inside the node each column sums its slice, across nodes it is summed by all_reduce, and then handed round inside.
  void all_reduce(std::span<float> data, Wire wire) override;
  void all_reduce(std::span<double> data, ReduceOp op) override { reduce_small(data, op); }
  void all_reduce(std::span<int64_t> data, ReduceOp op) override { reduce_small(data, op); }
  void broadcast(std::span<std::byte> data, int root) override;
  void barrier() override;

 private:
  template <typename T>
  void reduce_small(std::span<T> data, ReduceOp op);
  int node_of(int rank) const;

  std::unique_ptr<Communicator> inner_, outer_;
  int node_ = 0;
  int columns_ = 1;
  std::vector<int> first_;  // rank of each node; one more for the end
};

}  // namespace convoy
