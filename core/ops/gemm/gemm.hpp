// Matrix products on a GPU, of which fully connected layers and convolutions are made: C = op(A) op(B), fp32 in and
// out, row-major. A Gemm is prepared once for its sizes and runs on its device's stream; sums are taken in the same
// order in every run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/device/device.hpp"
#include "core/tensor/view.hpp"

namespace convoy {

/// What the factors may be rounded to before they are multiplied; they are added up in fp32.
enum class GemmCompute : uint8_t { f32, tf32, bf16 };

/// As OpOptions::compute says it.
inline GemmCompute gemm_compute(DType compute) {
  return compute == DType::bf16 ? GemmCompute::bf16 : compute == DType::tf32 ? GemmCompute::tf32 : GemmCompute::f32;
}

struct GemmSpec {
  int64_t m = 1, n = 1, k = 1;        // C is (m, n), op(A) (m, k), op(B) (k, n)
  bool transpose_a = false;           // A lies as (k, m)
  bool transpose_b = false;           // B lies as (n, k)
  int64_t lda = 0, ldb = 0, ldc = 0;  // elements from a row to the next, as the matrix lies; 0: as many as a row has
  int64_t batch = 1;                  // so many products at once, whose operands lie so many elements apart:
  int64_t stride_a = 0, stride_b = 0, stride_c = 0, stride_bias = 0;
  bool bias = false;  // (n), added to every row
  bool relu = false;  // of everything, the old C where it is added to and the bias, too
  GemmCompute compute = GemmCompute::f32;
  size_t alignment = 256;  // bytes, a power of two; run's pointers are multiples of it
};

class Gemm {
 public:
  virtual ~Gemm() = default;
  virtual size_t workspace_bytes() const = 0;
  /// `workspace` is aligned to 256 bytes and belongs to this call until the stream has run it. `bias` is null where the
  /// spec has none.
  virtual void run(void* workspace, const float* a, const float* b, const float* bias, float* c, Write write) const = 0;
  /// For people: "cublasLt", "native 128x128".
  virtual std::string name() const = 0;
};

constexpr size_t gemm_workspace_limit = size_t{32} << 20;

/// By cuBLASLt where the machine has it, or by our own kernels, which multiply in fp32 whatever the spec allows.
std::unique_ptr<Gemm> make_gemm(Device& device, const GemmSpec& spec);

/// The alignment of what lies so many floats, or a multiple of it, behind a border of 256 bytes.
size_t gemm_alignment_after(int64_t floats);

/// The spec with no leading dimension left to be told.
GemmSpec with_leading_dimensions(GemmSpec spec);

}  // namespace convoy
