// The product's inner loops in bf16 with fp32 sums, on AVX512-BF16. Rounding is to nearest even; denormals count as 0.
#include "core/ops/fc/kernels.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")
namespace convoy::fc {
namespace {

#include "core/ops/fc/avx512_vector.hpp"

struct Vector : Avx512 {
  static constexpr const char* name = "own avx512_bf16";
  static constexpr DType compute = DType::bf16;
  static constexpr int64_t group = 2;

  /// c + a.low b.low + a.high b.high in each lane.
  static type multiply_add(type a, type b, type c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }

  static type load_groups(const float* p, int64_t n) {
    const int64_t low = n < lanes ? n : lanes;
    return (type)_mm512_cvtne2ps_pbh(load(p + low, n - low), load(p, low));
  }

  static type pair_rows(const float* row, const float* next, int64_t n = lanes) {
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(next ? load(next, n) : zero(), load(row, n));
    const __m512i even = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    // Lane i takes the 16-bit elements i and 16 + i.
    const __m512i order = _mm512_or_si512(even, _mm512_slli_epi32(_mm512_add_epi32(even, _mm512_set1_epi32(16)), 16));
    return (type)_mm512_permutexvar_epi16(order, both);
  }
};

#include "core/ops/fc/kernels_body.hpp"

}  // namespace
const Kernels* const avx512_bf16_kernels = &kernels;
}  // namespace convoy::fc
#pragma GCC pop_options
#else
namespace convoy::fc {
const Kernels* const avx512_bf16_kernels = nullptr;
}
#endif
