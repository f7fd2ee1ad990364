// Stands in for sums on a GPU where no CUDA toolkit was found; no CUDA device can be made, so it is not reached.
#include "core/base/error.hpp"
#include "core/train/tree_sum.hpp"

namespace convoy {

void tree_sum_cuda(Device&, std::span<float>, std::span<const float* const>) {
  fail(ExitCode::usage, "nothing can be summed on a GPU: ", cuda_unavailable_reason());
}

}  // namespace convoy
