// Stands in for the update on a GPU where no CUDA toolkit was found; no CUDA device can be made, so it is not reached.
#include "core/base/error.hpp"
#include "core/optim/update_method.hpp"

namespace convoy {

std::unique_ptr<Optimizer> make_optimizer_cuda(Device&, const SegmentTable&, const OptimizerOptions&) {
  fail(ExitCode::usage, "no optimizer can run on a GPU: ", cuda_unavailable_reason());
}

std::unique_ptr<DeviceNormSums> make_norm_sums_cuda(Device&, const SegmentTable&, NormNeed) {
  fail(ExitCode::usage, "no norms can be taken on a GPU: ", cuda_unavailable_reason());
}

}  // namespace convoy
