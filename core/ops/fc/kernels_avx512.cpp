// The product's inner loops in fp32 on AVX-512.
#include "core/ops/fc/kernels.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,fma")
namespace convoy::fc {
namespace {

#include "core/ops/fc/avx512_vector.hpp"

struct Vector : Avx512 {
  static constexpr const char* name = "own avx512";
  static constexpr DType compute = DType::f32;
  static constexpr int64_t group = 1;

  static type multiply_add(type a, type b, type c) { return _mm512_fmadd_ps(a, b, c); }
  static type load_groups(const float* p, int64_t n) { return load(p, n); }
  static type pair_rows(const float* row, const float*, int64_t n = lanes) { return load(row, n); }
};

#include "core/ops/fc/kernels_body.hpp"

}  // namespace
const Kernels* const avx512_kernels = &kernels;
}  // namespace convoy::fc
#pragma GCC pop_options
#else
namespace convoy::fc {
const Kernels* const avx512_kernels = nullptr;
}
#endif
