// What fp32 and bf16 share on AVX-512: see kernels_body.hpp, which also says where this may be included.
#pragma once

struct Avx512 {
  using type = __m512;
  static constexpr int64_t lanes = 16;
  static constexpr int tile_rows = 8, tile_vectors = 3;  // 24 sums and 3 columns of 32 registers

  static __mmask16 first(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static type zero() { return _mm512_setzero_ps(); }
  static type load(const float* p) { return _mm512_loadu_ps(p); }
  static type load(const float* p, int64_t n) { return n == lanes ? load(p) : _mm512_maskz_loadu_ps(first(n), p); }
  static void store(float* p, type v) { _mm512_storeu_ps(p, v); }
  static void store(float* p, type v, int64_t n) {
    if (n == lanes) {
      store(p, v);
    } else {
      _mm512_mask_storeu_ps(p, first(n), v);
    }
  }
  static void stream(float* p, type v) { _mm512_stream_ps(p, v); }
  static type add(type a, type b) { return _mm512_add_ps(a, b); }
  static type broadcast(const float* p) { return _mm512_set1_ps(*p); }

  /// Pairs, then quads, within 128 bits; then the 128-bit parts. Not by intrinsics: GCC 12 warns of its own.
  static void transpose(type* v) {
    type t[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 2) {
      t[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
      t[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 4) {
      v[i] = low_pairs(t[i], t[i + 2]);
      v[i + 1] = high_pairs(t[i], t[i + 2]);
      v[i + 2] = low_pairs(t[i + 1], t[i + 3]);
      v[i + 3] = high_pairs(t[i + 1], t[i + 3]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 4; ++i) {
      const type a = even_parts(v[i], v[i + 4]), b = odd_parts(v[i], v[i + 4]);
      const type c = even_parts(v[i + 8], v[i + 12]), d = odd_parts(v[i + 8], v[i + 12]);
      t[i] = even_parts(a, c);
      t[i + 4] = even_parts(b, d);
      t[i + 8] = odd_parts(a, c);
      t[i + 12] = odd_parts(b, d);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) v[i] = t[i];
  }

 private:
  static type low_pairs(type a, type b) {
    return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
  }
  static type high_pairs(type a, type b) {
    return __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
  static type even_parts(type a, type b) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
  }
  static type odd_parts(type a, type b) {
    return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  }
};
