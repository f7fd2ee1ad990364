// Which implementation a matrix product gets.
#include "core/ops/gemm/gemm.hpp"

#include "core/ops/gemm/cublaslt.hpp"
#include "core/ops/gemm/native.hpp"

namespace convoy {

size_t gemm_alignment_after(int64_t floats) {
  size_t alignment = 256;
  while (static_cast<size_t>(floats) * sizeof(float) % alignment != 0) alignment /= 2;
  return alignment;
}

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
