#include "distributed/hierarchical_comm.hpp"

#include <algorithm>

#include "core/base/error.hpp"
#include "distributed/rank_order.hpp"

namespace convoy {

HierarchicalComm::HierarchicalComm(std::unique_ptr<Communicator> inner, std::unique_ptr<Communicator> outer)
    : inner_(std::move(inner)), outer_(std::move(outer)) {
  int64_t columns = outer_ ? 1 : 0;
  inner_->all_reduce(std::span(&columns, 1), ReduceOp::sum);
  columns_ = static_cast<int>(columns);
  int64_t place[] = {outer_ ? outer_->rank() : 0, outer_ ? outer_->size() : 0};
  inner_->broadcast(std::as_writable_bytes(std::span(place)), 0);
  node_ = static_cast<int>(place[0]);

  std::vector<int64_t> sizes(static_cast<size_t>(place[1]), 0);
  sizes[static_cast<size_t>(node_)] = inner_->size();
  if (outer_) outer_->all_reduce(std::span(sizes), ReduceOp::sum);
  inner_->broadcast(std::as_writable_bytes(std::span(sizes)), 0);
  first_.push_back(0);
  for (const int64_t size : sizes) first_.push_back(first_.back() + static_cast<int>(size));
}

std::string HierarchicalComm::describe() const {
  return concat(inner_->describe(), " of a node; ", nodes(), " nodes by ",
                outer_ ? outer_->describe() : std::string("the others"));
}

int HierarchicalComm::node_of(int rank) const {
  return static_cast<int>(std::ranges::upper_bound(first_, rank) - first_.begin()) - 1;
}

void HierarchicalComm::all_reduce(std::span<float> data, Wire wire) {
  const Slices slices = Slices::even(0, data.size(), columns_).padded_to(inner_->size());
  inner_->reduce_scatter(data, slices);
  if (outer_) outer_->all_reduce(slices.of(data, inner_->rank()), wire);
  inner_->all_gather(data, slices);
}

void HierarchicalComm::reduce_scatter(std::span<float> data, const Slices& slices, Wire wire) {
  slices.check(data.size(), size());
  all_reduce(data.subspan(slices.borders.front(), slices.borders.back() - slices.borders.front()), wire);
}

void HierarchicalComm::all_gather(std::span<float> data, const Slices& slices, Wire wire) {
  slices.check(data.size(), size());
  const auto border = [&](int rank) { return slices.borders[static_cast<size_t>(rank)]; };
  Slices of_ranks, of_nodes;
  for (int rank = first_[static_cast<size_t>(node_)]; rank <= first_[static_cast<size_t>(node_) + 1]; ++rank) {
    of_ranks.borders.push_back(border(rank));
  }
  for (const int rank : first_) of_nodes.borders.push_back(border(rank));
  inner_->all_gather(data, of_ranks);
  if (outer_ && inner_->rank() == 0) outer_->all_gather(data, of_nodes, wire);
  const Slices all_of_first{.borders = {border(0), slices.borders.back()}};
  inner_->all_gather(data, all_of_first.padded_to(inner_->size()));
}

template <typename T>
void HierarchicalComm::reduce_small(std::span<T> data, ReduceOp op) {
  // all_gather moves bits without looking at them, so the values travel as floats.
  static_assert(sizeof(T) % sizeof(float) == 0);
  const size_t floats = data.size() * (sizeof(T) / sizeof(float));
  std::vector<T> all(data.size() * static_cast<size_t>(size()));
  std::ranges::copy(data, all.begin() + static_cast<std::ptrdiff_t>(data.size() * static_cast<size_t>(rank())));
  Slices slices;
  for (size_t r = 0; r <= static_cast<size_t>(size()); ++r) slices.borders.push_back(r * floats);
  all_gather(std::span(reinterpret_cast<float*>(all.data()), slices.borders.back()), slices);
  reduce_in_rank_order(data, all.data(), size(), op);
}

void HierarchicalComm::broadcast(std::span<std::byte> data, int root) {
  const int home = node_of(root);
  if (node_ == home) inner_->broadcast(data, root - first_[static_cast<size_t>(home)]);
  if (outer_ && inner_->rank() == 0) outer_->broadcast(data, home);
  if (node_ != home) inner_->broadcast(data, 0);
}

void HierarchicalComm::barrier() {
  inner_->barrier();
  if (outer_) outer_->barrier();
  inner_->barrier();
}

}  // namespace convoy
