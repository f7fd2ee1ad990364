// Sums the lanes' gradients along the tree of tree_sum.hpp and announces ranges as they become final.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

#include "core/device/device.hpp"

namespace convoy {

/// Collects "lane l is done with [0, end)" from several threads. When the last lane has passed an end, the range since
/// the last one is summed and announced, in order, by the thread that came last, while the others go on.
class LaneTree {
 public:
  /// buffers: one gradient buffer per lane; buffers[0] receives the sums.
  /// In the memory of `device`.
  LaneTree(Device& device, std::vector<float*> buffers, std::function<void(size_t)> announce)
      : device_(device),
        buffers_(std::move(buffers)),
        contributions_(buffers_.size()),
        announce_(std::move(announce)),
        passed_(buffers_.size(), 0) {}

  /// Starts a step.
  void reset();
  void pass(int lane, size_t end);

 private:
  Device& device_;
  std::vector<float*> buffers_;
  std::vector<const float*> contributions_;  // to the range that is being summed
  std::function<void(size_t)> announce_;
  std::mutex mutex_;
  std::vector<size_t> passed_;  // per lane
  size_t announced_ = 0;
  bool announcing_ = false;
};

}  // namespace convoy
