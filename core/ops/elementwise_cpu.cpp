// See elementwise_cpu.hpp.
#include "core/ops/elementwise_cpu.hpp"

#include <algorithm>

#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"

namespace convoy::cpu {
namespace {

CONVOY_ISA_CLONES void relu_range(int64_t n, const float* x, float* y) {
  // Written so that NaN, which compares false, is kept.
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] < 0 ? 0 : x[i];
}

CONVOY_ISA_CLONES void add_range(int64_t n, const float* x, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

}  // namespace

void relu(int64_t count, const float* x, float* y) {
  parallel_for(count, elementwise_grain,
               [&](int64_t begin, int64_t end) { relu_range(end - begin, x + begin, y + begin); });
}

void add(int64_t count, const float* x, float* y) {
  parallel_for(count, elementwise_grain,
               [&](int64_t begin, int64_t end) { add_range(end - begin, x + begin, y + begin); });
}

CONVOY_ISA_CLONES void sum_shifted(int64_t count, int64_t terms, int64_t step, const float* x, float* __restrict y) {
  if (terms == 1) {
    std::copy_n(x, count, y);
    return;
  }
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] + x[i + step];
  // Two at a time halve the traffic of y.
  int64_t t = 2;
  for (; t + 1 < terms; t += 2) {
    const float *a = x + t * step, *b = a + step;
    for (int64_t i = 0; i < count; ++i) y[i] = (y[i] + a[i]) + b[i];
  }
  if (t < terms) {
    const float* a = x + t * step;
    for (int64_t i = 0; i < count; ++i) y[i] += a[i];
  }
}

}  // namespace convoy::cpu
