#include "core/train/lane_tree.hpp"

#include <algorithm>

#include "core/train/tree_sum.hpp"

namespace convoy {

void LaneTree::reset() {
  std::ranges::fill(passed_, size_t{0});
  announced_ = 0;
  announcing_ = false;  // an announcement may have thrown
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
    std::ranges::transform(buffers_, contributions_.begin(), [&](const float* buffer) { return buffer + begin; });
    tree_sum(device_, {buffers_[0] + begin, next - begin}, contributions_);
    announce_(next);
    lock.lock();
    announced_ = next;
    announcing_ = false;
  }
}

}  // namespace convoy
