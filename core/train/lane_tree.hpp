// Sums the lanes' gradients along the fixed binary tree and announces ranges as they become final.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

namespace convoy {

/// buffers[0][i] becomes the sum of buffers[0..n)[i] along ((0+1)+(2+3))+..., for i in [begin, end). The other buffers
/// hold partial sums afterwards.
void tree_sum(const std::vector<float*>& buffers, size_t begin, size_t end);

/// Collects "lane l is done with [0, end)" from several threads. When the last lane has passed an end, the range since
/// the last one is summed and announced, in order, by the thread that came last, while the others go on.
class LaneTree {
 public:
  /// buffers: one gradient buffer per lane; buffers[0] receives the sums.
  LaneTree(std::vector<float*> buffers, std::function<void(size_t)> announce)
      : buffers_(std::move(buffers)), announce_(std::move(announce)), passed_(buffers_.size(), 0) {}

  /// Starts a step.
  void reset();
  void pass(int lane, size_t end);

 private:
  std::vector<float*> buffers_;
  std::function<void(size_t)> announce_;
  std::mutex mutex_;
  std::vector<size_t> passed_;  // per lane
  size_t announced_ = 0;
  bool announcing_ = false;
};

}  // namespace convoy
