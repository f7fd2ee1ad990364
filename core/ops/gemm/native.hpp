// Matrix products by our own kernels, in fp32: for machines without cuBLASLt, and what it is tested beside.
#pragma once

#include "core/ops/gemm/gemm.hpp"

namespace convoy::gemm {

/// How a product is shared out: by square tiles of C, and where they are few, by slices of k, whose sums are added up
/// in their order by a kernel of its own.
struct Plan {
  int tile = 64;  // or 128
  int64_t slices = 1;
};

Plan plan_for(const GemmSpec& spec, int64_t multiprocessors);

std::unique_ptr<Gemm> make_native(Device& device, const GemmSpec& spec, const Plan& plan);
/// By the plan for this GPU.
std::unique_ptr<Gemm> make_native(Device& device, const GemmSpec& spec);

}  // namespace convoy::gemm
