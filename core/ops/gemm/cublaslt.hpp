// Matrix products by cuBLASLt, which is looked for when the first one is made and is not linked.
#pragma once

#include "core/ops/gemm/gemm.hpp"

namespace convoy::gemm {

/// Null where cuBLASLt cannot be loaded, or has nothing for these sizes.
std::unique_ptr<Gemm> make_cublaslt(Device& device, const GemmSpec& spec);

}  // namespace convoy::gemm
