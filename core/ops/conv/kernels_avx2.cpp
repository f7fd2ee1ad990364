// The kernels of kernels.hpp for AVX2. Nothing but them may be compiled after the pragma: an inline function
// from elsewhere would carry the instructions to processors without them.
#include "core/ops/conv/kernels.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include <type_traits>
#include <utility>

#include "core/ops/conv/winograd/points.hpp"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("arch=x86-64-v3")
#endif

#include "core/ops/conv/product.hpp"
#include "core/ops/conv/winograd/transform.hpp"

namespace convoy {
namespace {

struct Avx2 {
  using Vector = __m256;
  using Mask = __m256i;
  static constexpr int lanes = 8;
  static constexpr int product_rows = 6;  // by 2 vectors: 12 of 16 registers hold sums

  static Mask mask(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector set(float x) { return _mm256_set1_ps(x); }
  static Vector load(const float* p) { return _mm256_loadu_ps(p); }
  static Vector load(const float* p, Mask m) { return _mm256_maskload_ps(p, m); }
  static Vector broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static Vector gather(const float* p, int64_t step, Mask m) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i index = _mm256_mullo_epi32(lane, _mm256_set1_epi32(static_cast<int>(step)));
    return _mm256_mask_i32gather_ps(zero(), p, index, _mm256_castsi256_ps(m), sizeof(float));
  }
  static void store(float* p, Vector x) { _mm256_storeu_ps(p, x); }
  static void store(float* p, Vector x, Mask m) { _mm256_maskstore_ps(p, m, x); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  /// The second operand where one is NaN: NaN is kept.
  static Vector relu(Vector x) { return _mm256_max_ps(zero(), x); }
};

}  // namespace

const ConvKernels* avx2_conv_kernels() {
  using namespace kernels;
  static constexpr ConvKernels all{
      .name = "avx2",
      .lanes = Avx2::lanes,
      .panel = 2 * Avx2::lanes,
      .multiply = multiply<Avx2>,
      .add_rows = add_rows<Avx2>,
      .winograd = {winograd_kernels<Avx2, 4, 3>(), winograd_kernels<Avx2, 5, 3>(), winograd_kernels<Avx2, 6, 3>(),
                   winograd_kernels<Avx2, 3, 5>(), winograd_kernels<Avx2, 4, 5>()}};
  return &all;
}

}  // namespace convoy

#if defined(__clang__)
#pragma clang attribute pop
#endif

#else

const convoy::ConvKernels* convoy::avx2_conv_kernels() {
  return nullptr;
}

#endif
