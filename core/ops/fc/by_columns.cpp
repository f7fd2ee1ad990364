// The gradient of the input: dx (N,C) = dy (N,K) W (K,C), where the depth K goes from row to row. See product.hpp.
//
// Some rows of W at a time are multiplied by their column of dy and added to the sums of all samples, which stay in a
// cache. So W, the large factor, is read once, in order, and never packed.
#include "core/ops/fc/panels.hpp"
#include "core/ops/fc/product.hpp"

namespace convoy::fc {
namespace {

constexpr int64_t sum_elements = 128 << 10;  // that a thread keeps at a time: 512 KB of its second-level cache

/// Columns whose sums are kept at a time, in whole runs.
int64_t columns_at_once(const Kernels& kernels, const Extents& e) {
  const int64_t run = kernels.sum_run();
  return std::min(std::max<int64_t>(1, sum_elements / e.i / run), up(e.j, run)) * run;
}

/// From row to row of the copy of dy: an odd number of cache lines, so that a column lies in many sets of the cache.
int64_t copy_stride(const Kernels& kernels, const Extents& e) {
  return (up(up(e.p, kernels.group), line_floats) | 1) * line_floats;
}

/// Columns [begin, end) of the result, whose sums fit `sums`.
void multiply_columns(const Kernels& kernels, const Extents& e, const float* a, const Factor& b, const Output& out,
                      int64_t begin, int64_t end, float* sums) {
  const int64_t columns = end - begin, run = kernels.sum_run();
  std::fill_n(sums, up(columns, run) * run * e.i, 0.0f);
  for (int64_t p = 0; p < e.p; p += kernels.lines_added) {
    kernels.add_lines({b.at(begin, p), b.stride, false}, std::min(kernels.lines_added, e.p - p), columns,
                      a + p / kernels.group, copy_stride(kernels, e), e.i, sums);
  }
  for (int64_t j = begin; j < end; j += run) {
    const int64_t count = std::min(run, end - j);
    for (int64_t i = 0; i < e.i; ++i, sums += run) {
      float* to = out.data + i * e.j + j;
      for (int64_t c = 0; c < count; ++c) to[c] = out.add ? to[c] + sums[c] : sums[c];
    }
  }
}

}  // namespace

size_t by_columns_scratch(const Kernels& kernels, const Extents& e, int threads) {
  return static_cast<size_t>(e.i * (copy_stride(kernels, e) + threads * columns_at_once(kernels, e))) * sizeof(float);
}

void multiply_by_columns(const Kernels& kernels, const Extents& e, const Factor& a, const Factor& b, const Output& out,
                         void* scratch) {
  float* copy = static_cast<float*>(scratch);
  float* all_sums = copy + e.i * copy_stride(kernels, e);
  kernels.copy_lines(a, e.i, e.i, e.p, copy, copy_stride(kernels, e));
  const int64_t run = kernels.sum_run(), step = columns_at_once(kernels, e);
  parallel_for(up(e.j, run), std::max<int64_t>(1, range_work / (e.i * e.p * run)), [&](int64_t begin, int64_t end) {
    float* sums = all_sums + team_thread() * e.i * step;
    for (int64_t j = begin * run; j < std::min(e.j, end * run); j += step) {
      multiply_columns(kernels, e, copy, b, out, j, std::min({e.j, end * run, j + step}), sums);
    }
  });
}

}  // namespace convoy::fc
