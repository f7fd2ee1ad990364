// The matrix product of kernels.hpp over a vector type V: blocks of C stay in registers while A's elements are
// broadcast. Included by the conv_kernels_*.cpp only, which choose the instruction set before.
#pragma once

#include <utility>

#include "core/ops/conv/kernels.hpp"

namespace convoy::kernels {

/// One block: Rows of C by Vectors vectors, the last of which may be partly used. Contiguous: a_row is 1, else a_step
/// is.
template <typename V, int Rows, int Vectors, bool Contiguous>
void product_block(const Product& p, const float* a_start, const float* b_start, float* c, int64_t column,
                   int64_t ahead) {
  using Vector = typename V::Vector;
  const int64_t left = p.columns - column - (Vectors - 1) * V::lanes;
  const auto last = V::mask(left < V::lanes ? left : V::lanes);
  if (p.accumulate) {
    for (int i = 0; i < Rows; ++i) {
      for (int v = 0; v < Vectors; ++v) __builtin_prefetch(c + i * p.c_row + v * V::lanes, 1, 3);
    }
  }
  Vector sum[Rows][Vectors];
  for (int v = 0; v < Vectors; ++v) {
    Vector start = V::zero();
    if (p.bias) {
      const float* bias = p.bias + column + v * V::lanes;
      start = v < Vectors - 1 ? V::load(bias) : V::load(bias, last);
    }
    for (int i = 0; i < Rows; ++i) sum[i][v] = start;
  }

  // A row every third: x86 addresses base, base + stride and base + 2 stride without further arithmetic.
  constexpr int bases = (Rows + 2) / 3;
  const int64_t row = Contiguous ? 1 : p.a_row;
  for (int64_t o = 0; o < p.outer; ++o) {
    const float* a[bases];
    for (int i = 0; i < bases; ++i) a[i] = a_start + o * p.a_outer + 3 * i * row;
    const float* b = b_start + o * p.b_outer;
    for (int64_t s = 0; s < p.inner; ++s) {
      Vector factor[Vectors];
      for (int v = 0; v < Vectors - 1; ++v) factor[v] = V::load(b + v * V::lanes);
      for (int v = 0; v < Vectors; ++v) __builtin_prefetch(b + ahead + v * V::lanes, 0, 2);
      if constexpr (Contiguous) __builtin_prefetch(a[0] + 2 * Rows, 0, 3);
      factor[Vectors - 1] = V::load(b + (Vectors - 1) * V::lanes, last);
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) {
        const Vector element = V::broadcast(Contiguous ? a[0] + i : a[i / 3] + i % 3 * row);
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) sum[i][v] = V::fma(element, factor[v], sum[i][v]);
      }
      b += p.b_step;
      if constexpr (Contiguous) {
        a[0] += p.a_step;
      } else {
#pragma GCC unroll 8
        for (int i = 0; i < bases; ++i) ++a[i];
      }
    }
  }

#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      float* to = c + i * p.c_row + v * V::lanes;
      Vector result = sum[i][v];
      if (v < Vectors - 1) {
        if (p.accumulate) result = result + V::load(to);
        if (p.relu) result = V::relu(result);
        V::store(to, result);
      } else {
        if (p.accumulate) result = result + V::load(to, last);
        if (p.relu) result = V::relu(result);
        V::store(to, result, last);
      }
    }
  }
}

template <typename V>
using ProductBlock = void (*)(const Product&, const float* a, const float* b, float* c, int64_t column, int64_t ahead);

/// The block functions for 1 to V::product_rows rows.
template <typename V, int Vectors, bool Contiguous>
struct ProductBlocks {
  template <int... I>
  static constexpr auto list(std::integer_sequence<int, I...>) {
    struct {
      ProductBlock<V> at[sizeof...(I)];
    } out = {{&product_block<V, I + 1, Vectors, Contiguous>...}};
    return out;
  }
  static constexpr auto table = list(std::make_integer_sequence<int, V::product_rows>());
};

template <typename V, bool Contiguous>
void multiply_panels(const Product& p) {
  const int64_t blocks = (p.rows + V::product_rows - 1) / V::product_rows;
  for (int64_t column = 0, panel = 0; column < p.columns; column += 2 * V::lanes, ++panel) {
    const bool wide = p.columns - column > V::lanes;
    const auto& functions =
        wide ? ProductBlocks<V, 2, Contiguous>::table.at : ProductBlocks<V, 1, Contiguous>::table.at;
    // As even as they get: 15 rows are 8 and 7, not 14 and 1.
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t begin = p.rows * block / blocks, rows = p.rows * (block + 1) / blocks - begin;
      functions[rows - 1](p, p.a + begin * p.a_row, p.b + panel * p.b_panel, p.c + begin * p.c_row + column, column,
                          block == 0 ? p.b_panel : 0);
    }
  }
}

template <typename V>
void multiply(const Product& p) {
  return p.a_row == 1 ? multiply_panels<V, true>(p) : multiply_panels<V, false>(p);
}

/// See ConvKernels. Four sums side by side, since each waits for its own last addition.
template <typename V>
void add_rows(const float* from, int64_t rows, int64_t row, int64_t columns, float* to) {
  for (int64_t column = 0; column < columns; column += V::lanes) {
    const auto mask = V::mask(columns - column < V::lanes ? columns - column : V::lanes);
    typename V::Vector sum[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
    const float* at = from + column;
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4, at += 4 * row) {
      for (int j = 0; j < 4; ++j) sum[j] = sum[j] + V::load(at + j * row, mask);
    }
    for (; i < rows; ++i, at += row) sum[0] = sum[0] + V::load(at, mask);
    V::store(to + column, V::load(to + column, mask) + ((sum[0] + sum[1]) + (sum[2] + sum[3])), mask);
  }
}

}  // namespace convoy::kernels
