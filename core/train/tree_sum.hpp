// The one order in which gradients are summed, over the lanes of a worker and over workers.
#pragma once

#include <span>

#include "core/device/device.hpp"

namespace convoy {

/// result[i] = the sum of contributions[0..n)[i] along the binary tree that combines neighbours: (0+1), (2+3), ...,
/// then those, an odd one left over passing up unchanged. For powers of two a tree over workers is the upper part of
/// the tree over all their lanes. `result` may be one of the contributions, but not overlap one otherwise.
void tree_sum(std::span<float> result, std::span<const float* const> contributions);

/// The same bits in the device's memory. On a GPU this is queued, and of so many contributions at most.
constexpr int most_tree_sum_contributions = 64;
void tree_sum(Device& device, std::span<float> result, std::span<const float* const> contributions);
void tree_sum_cuda(Device& device, std::span<float> result, std::span<const float* const> contributions);

}  // namespace convoy
