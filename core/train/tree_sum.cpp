// The tree is walked once per block of elements, so that partial sums stay in the first-level cache and every
// contribution is read from memory once.
#include "core/train/tree_sum.hpp"

#include <algorithm>
#include <bit>

#include "core/base/isa.hpp"

namespace convoy {
namespace {

constexpr size_t block = 512;  // floats: 2 KiB for each partial sum

using Contributions = std::span<const float* const>;

CONVOY_ISA_CLONES void add(float* result, const float* a, const float* b, size_t count) {
  // `result` may be a or b, element for element: nothing is carried from one element to the next.
#pragma GCC ivdep
  for (size_t i = 0; i < count; ++i) result[i] = a[i] + b[i];
}

// The sum of elements [offset, offset + count) over all contributions: in `partial`, or in place when there is but one.
const float* sum_block(Contributions contributions, size_t offset, size_t count, float* partial) {
  if (contributions.size() == 1) return contributions[0] + offset;
  // The left subtree is the largest full one: what combining neighbours level by level comes to.
  const size_t half = std::bit_ceil(contributions.size()) / 2;
  alignas(64) float scratch[block];
  const float* left = sum_block(contributions.first(half), offset, count, partial);
  const float* right = sum_block(contributions.subspan(half), offset, count, scratch);
  add(partial, left, right, count);
  return partial;
}

}  // namespace

void tree_sum(std::span<float> result, Contributions contributions) {
  alignas(64) float partial[block];
  for (size_t offset = 0; offset < result.size(); offset += block) {
    const size_t count = std::min(block, result.size() - offset);
    if (contributions.size() == 2) {  // the common case needs no partial sum
      add(result.data() + offset, contributions[0] + offset, contributions[1] + offset, count);
    } else {
      const float* sum = sum_block(contributions, offset, count, partial);
      std::copy_n(sum, count, result.data() + offset);
    }
  }
}

void tree_sum(Device& device, std::span<float> result, Contributions contributions) {
  if (device.backend() == Backend::cuda) return tree_sum_cuda(device, result, contributions);
  tree_sum(result, contributions);
}

}  // namespace convoy
