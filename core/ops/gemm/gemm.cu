// Which implementation a matrix product gets.
#include "core/ops/gemm/gemm.hpp"

#include "core/ops/gemm/cublaslt.hpp"
#include "core/ops/gemm/native.hpp"

namespace convoy {

GemmSpec with_leading_dimensions(GemmSpec spec) {
  if (spec.lda == 0) spec.lda = spec.transpose_a ? spec.m : spec.k;
  if (spec.ldb == 0) spec.ldb = spec.transpose_b ? spec.k : spec.n;
  if (spec.ldc == 0) spec.ldc = spec.n;
  return spec;
}

std::unique_ptr<Gemm> make_gemm(Device& device, const GemmSpec& spec) {
  if (auto made = gemm::make_cublaslt(device, spec)) return made;
  return gemm::make_native(device, spec);
}

}  // namespace convoy
