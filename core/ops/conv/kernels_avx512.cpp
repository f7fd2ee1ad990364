// The kernels of kernels.hpp for AVX-512. Nothing but them may be compiled after the pragma: an inline function
// from elsewhere would carry the instructions to processors without them.
#include "core/ops/conv/kernels.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include <type_traits>
#include <utility>

#include "core/ops/conv/winograd/points.hpp"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC target("arch=x86-64-v4")
#endif

#include "core/ops/conv/product.hpp"
#include "core/ops/conv/winograd/transform.hpp"

namespace convoy {
namespace {

struct Avx512 {
  using Vector = __m512;
  using Mask = __mmask16;
  static constexpr int lanes = 16;
  static constexpr int product_rows = 14;  // by 2 vectors: 28 of 32 registers hold sums

  static Mask mask(int64_t n) { return static_cast<Mask>((1u << n) - 1); }
  static Vector zero() { return _mm512_setzero_ps(); }
  static Vector set(float x) { return _mm512_set1_ps(x); }
  static Vector load(const float* p) { return _mm512_loadu_ps(p); }
  static Vector load(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  static Vector broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static Vector gather(const float* p, int64_t step, Mask m) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i index = _mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(step)));
    return _mm512_mask_i32gather_ps(zero(), m, index, p, sizeof(float));
  }
  static void store(float* p, Vector x) { _mm512_storeu_ps(p, x); }
  static void store(float* p, Vector x, Mask m) { _mm512_mask_storeu_ps(p, m, x); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  /// The second operand where one is NaN: NaN is kept.
  static Vector relu(Vector x) { return _mm512_maskz_max_ps(0xffff, zero(), x); }
};

}  // namespace

const ConvKernels* avx512_conv_kernels() {
  using namespace kernels;
  static constexpr ConvKernels all{
      .name = "avx512",
      .lanes = Avx512::lanes,
      .panel = 2 * Avx512::lanes,
      .multiply = multiply<Avx512>,
      .add_rows = add_rows<Avx512>,
      .winograd = {winograd_kernels<Avx512, 4, 3>(), winograd_kernels<Avx512, 5, 3>(), winograd_kernels<Avx512, 6, 3>(),
                   winograd_kernels<Avx512, 3, 5>(), winograd_kernels<Avx512, 4, 5>()}};
  return &all;
}

}  // namespace convoy

#if defined(__clang__)
#pragma clang attribute pop
#endif

#else

const convoy::ConvKernels* convoy::avx512_conv_kernels() {
  return nullptr;
}

#endif
