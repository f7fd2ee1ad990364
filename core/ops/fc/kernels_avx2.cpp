// The product's inner loops in fp32 on AVX2 with FMA.
#include "core/ops/fc/kernels.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace convoy::fc {
namespace {

struct Vector {
  using type = __m256;
  static constexpr const char* name = "own avx2";
  static constexpr DType compute = DType::f32;
  static constexpr int64_t lanes = 8, group = 1;
  static constexpr int tile_rows = 4, tile_vectors = 3;  // 12 sums, 3 columns and a row: all 16 registers

  static __m256i first(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static type zero() { return _mm256_setzero_ps(); }
  static type load(const float* p) { return _mm256_loadu_ps(p); }
  static type load(const float* p, int64_t n) { return n == lanes ? load(p) : _mm256_maskload_ps(p, first(n)); }
  static void store(float* p, type v) { _mm256_storeu_ps(p, v); }
  static void store(float* p, type v, int64_t n) {
    if (n == lanes) {
      store(p, v);
    } else {
      _mm256_maskstore_ps(p, first(n), v);
    }
  }
  static void stream(float* p, type v) { _mm256_stream_ps(p, v); }
  static type add(type a, type b) { return _mm256_add_ps(a, b); }
  static type broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static type multiply_add(type a, type b, type c) { return _mm256_fmadd_ps(a, b, c); }
  static type load_groups(const float* p, int64_t n) { return load(p, n); }
  static type pair_rows(const float* row, const float*, int64_t n = lanes) { return load(row, n); }

  /// Pairs, then quads, within 128 bits; then the halves.
  static void transpose(type* v) {
    type t[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
      t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i += 4) {
      v[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
      v[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
      v[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
      v[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const type low = _mm256_permute2f128_ps(v[i], v[i + 4], 0x20),
                 high = _mm256_permute2f128_ps(v[i], v[i + 4], 0x31);
      v[i] = low;
      v[i + 4] = high;
    }
  }
};

#include "core/ops/fc/kernels_body.hpp"

}  // namespace
const Kernels* const avx2_kernels = &kernels;
}  // namespace convoy::fc
#pragma GCC pop_options
#else
namespace convoy::fc {
const Kernels* const avx2_kernels = nullptr;
}
#endif
