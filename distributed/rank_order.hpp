// Reductions of small data over ranks, in an order that depends on the number of ranks alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "distributed/communicator.hpp"

namespace convoy {

/// For small data: result[i] = the op over ranks, first to last, of all[rank * result.size() + i].
template <typename T>
void reduce_in_rank_order(std::span<T> result, const T* all, int ranks, ReduceOp op) {
  const size_t count = result.size();
  for (size_t i = 0; i < count; ++i) {
    T value = all[i];
    for (size_t rank = 1; rank < static_cast<size_t>(ranks); ++rank) {
      const T next = all[rank * count + i];
      switch (op) {
        case ReduceOp::sum: value += next; break;
        case ReduceOp::max: value = std::max(value, next); break;
        case ReduceOp::min: value = std::min(value, next); break;
      }
    }
    result[i] = value;
  }
}

}  // namespace convoy
