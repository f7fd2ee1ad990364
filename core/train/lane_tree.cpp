#include "core/train/lane_tree.hpp"

#include <algorithm>

#include "core/base/isa.hpp"

namespace convoy {

namespace {

CONVOY_ISA_CLONES void add_to(float* sum, const float* x, size_t n) {
  for (size_t i = 0; i < n; ++i) sum[i] += x[i];
}

// A block of every lane at once stays in the second-level cache for all rounds of the tree.
constexpr size_t block = 4096;

}  // namespace

void tree_sum(const std::vector<float*>& buffers, size_t begin, size_t end) {
  for (size_t at = begin; at < end; at += block) {
    const size_t n = std::min(block, end - at);
    for (size_t stride = 1; stride < buffers.size(); stride *= 2) {
      for (size_t i = 0; i + stride < buffers.size(); i += 2 * stride) {
        add_to(buffers[i] + at, buffers[i + stride] + at, n);
      }
    }
  }
}

void LaneTree::reset() {
  std::ranges::fill(passed_, size_t{0});
  announced_ = 0;
}

void LaneTree::pass(int lane, size_t end) {
  std::unique_lock lock(mutex_);
  passed_[lane] = end;
  if (announcing_) return;
  while (true) {
    const size_t begin = announced_;
    const size_t next = *std::ranges::min_element(passed_);
    if (next <= begin) return;
    announcing_ = true;
    lock.unlock();
    tree_sum(buffers_, begin, next);
    announce_(next);
    lock.lock();
    announced_ = next;
    announcing_ = false;
  }
}

}  // namespace convoy
