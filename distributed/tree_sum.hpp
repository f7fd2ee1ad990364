// Sums over ranks, in orders that depend on the number of ranks alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "distributed/communicator.hpp"

namespace convoy {

/// result[i] = the sum over ranks of contributions[rank][i], along the binary tree that combines neighbours: (0+1),
/// (2+3), ..., then those, an odd one left over passing up unchanged. For a power of two of equal ranks it is the upper
/// part of the lane tree of core/train/lanes.hpp. `result` may be one of the contributions, but not overlap one
/// otherwise.
void tree_sum(std::span<float> result, std::span<const float* const> contributions);

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
