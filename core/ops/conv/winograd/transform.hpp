// Winograd's transforms over a vector type V, channels side by side. Included by the kernels_*.cpp only, which
// choose the instruction set before.
//
// X -> M X M^T, all loops over M unrolled and its zeros left out. Where two neighbouring rows (or columns) of M differ
// in signs only, as those of the points p and -p do, they share their sums.
#pragma once

#include <type_traits>
#include <utility>

#include "core/ops/conv/kernels.hpp"
#include "core/ops/conv/winograd/points.hpp"

namespace convoy::kernels {

template <int N, typename Function>
inline __attribute__((always_inline)) void unrolled(const Function& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, N>());
}

constexpr double magnitude(double x) {
  return x < 0 ? -x : x;
}

/// Whether columns j and j + 1 of the matrix differ in signs only; the first and the last stand alone.
template <typename Matrix>
constexpr bool paired(int j) {
  if (j < 1 || j + 1 >= Matrix::columns - 1) return false;
  for (int i = 0; i < Matrix::rows; ++i) {
    if (magnitude(Matrix::at(i, j)) != magnitude(Matrix::at(i, j + 1))) return false;
  }
  return true;
}

/// sum += coefficient * x, cheaply for 1 and -1; the first term starts the sum.
template <typename V, typename Vector>
inline __attribute__((always_inline)) void add_term(Vector& sum, bool& started, double coefficient, Vector x) {
  if (coefficient == 0) return;
  const Vector factor = V::set(static_cast<float>(coefficient));
  if (!started) {
    sum = coefficient == 1 ? x : factor * x;
  } else if (coefficient == 1) {
    sum = sum + x;
  } else if (coefficient == -1) {
    sum = sum - x;
  } else {
    sum = V::fma(factor, x, sum);
  }
  started = true;
}

/// y = M x, where columns of M come in pairs: their sum and difference are taken first.
template <typename V, typename Matrix>
inline __attribute__((always_inline)) void apply_by_columns(const typename V::Vector* x, typename V::Vector* y) {
  using Vector = typename V::Vector;
  Vector both[Matrix::columns];
  unrolled<Matrix::columns>([&](auto j) __attribute__((always_inline)) {
    if constexpr (paired<Matrix>(j)) {
      both[j] = x[j] + x[j + 1];
      both[j + 1] = x[j] - x[j + 1];
    } else if constexpr (!paired<Matrix>(j - 1)) {
      both[j] = x[j];
    }
  });
  unrolled<Matrix::rows>([&](auto i) __attribute__((always_inline)) {
    Vector sum = V::zero();
    bool started = false;
    unrolled<Matrix::columns>([&](auto j) __attribute__((always_inline)) {
      constexpr double coefficient = Matrix::at(i, j);
      if constexpr (paired<Matrix>(j)) {
        constexpr bool same = coefficient == Matrix::at(i, j + 1);
        add_term<V>(sum, started, coefficient, both[same ? j : j + 1]);
      } else if constexpr (!paired<Matrix>(j - 1)) {
        add_term<V>(sum, started, coefficient, both[j]);
      }
    });
    y[i] = sum;
  });
}

/// y = M x, where rows of M come in pairs: what they have in common and what not is summed apart.
template <typename V, typename Matrix>
inline __attribute__((always_inline)) void apply_by_rows(const typename V::Vector* x, typename V::Vector* y) {
  using Vector = typename V::Vector;
  using Columns = winograd::Transposed<Matrix>;
  unrolled<Matrix::rows>([&](auto i) __attribute__((always_inline)) {
    if constexpr (!paired<Columns>(i - 1)) {
      Vector common = V::zero(), apart = V::zero();
      bool common_started = false, apart_started = false;
      unrolled<Matrix::columns>([&](auto j) __attribute__((always_inline)) {
        constexpr double coefficient = Matrix::at(i, j);
        if constexpr (paired<Columns>(i) && coefficient != Matrix::at(i + 1, j)) {
          add_term<V>(apart, apart_started, coefficient, x[j]);
        } else {
          add_term<V>(common, common_started, coefficient, x[j]);
        }
      });
      if constexpr (paired<Columns>(i)) {
        y[i] = common + apart;
        y[i + 1] = common - apart;
      } else {
        y[i] = common;
      }
    }
  });
}

/// More rows than columns, or as many: rows are what is paired.
template <typename V, typename Matrix>
inline __attribute__((always_inline)) void apply(const typename V::Vector* x, typename V::Vector* y) {
  if constexpr (Matrix::rows >= Matrix::columns) {
    apply_by_rows<V, Matrix>(x, y);
  } else {
    apply_by_columns<V, Matrix>(x, y);
  }
}

/// See Spread. Strided: channels are `step` floats apart, else side by side.
template <typename V, typename Matrix, bool Strided>
void spread_all(const float* const* pixels, int64_t step, int64_t count, float* to, int64_t to_position) {
  using Vector = typename V::Vector;
  constexpr int rows = Matrix::rows, columns = Matrix::columns;
  for (int64_t c = 0; c < count; c += V::lanes) {
    const bool whole = count - c >= V::lanes;
    const auto mask = V::mask(whole ? V::lanes : count - c);
    Vector half[rows][columns];
    for (int j = 0; j < columns; ++j) {
      Vector in[columns], out[rows];
      for (int i = 0; i < columns; ++i) {
        const float* pixel = pixels[i * columns + j];
        if constexpr (Strided) {
          in[i] = V::gather(pixel + c * step, step, mask);
        } else {
          in[i] = whole ? V::load(pixel + c) : V::load(pixel + c, mask);
        }
      }
      apply<V, Matrix>(in, out);
      for (int i = 0; i < rows; ++i) half[i][j] = out[i];
    }
    for (int i = 0; i < rows; ++i) {
      Vector out[rows];
      apply<V, Matrix>(half[i], out);
      for (int j = 0; j < rows; ++j) V::store(to + (i * rows + j) * to_position + c, out[j]);
    }
  }
}

template <typename V, typename Matrix>
void spread(const float* const* pixels, int64_t step, int64_t count, float* to, int64_t to_position) {
  return step == 1 ? spread_all<V, Matrix, false>(pixels, step, count, to, to_position)
                   : spread_all<V, Matrix, true>(pixels, step, count, to, to_position);
}

template <typename V>
inline __attribute__((always_inline)) void finish_pixel(float* pixel, int64_t c, typename V::Vector value,
                                                        typename V::Mask mask, const Finish& finish) {
  if (finish.bias) value = value + V::load(finish.bias + c, mask);
  if (finish.accumulate) value = value + V::load(pixel + c, mask);
  if (finish.relu) value = V::relu(value);
  V::store(pixel + c, value, mask);
}

/// See Collect.
template <typename V, typename Matrix>
void collect(const float* from, int64_t from_position, int64_t count, float* const* pixels, const Finish& finish) {
  using Vector = typename V::Vector;
  constexpr int rows = Matrix::rows, columns = Matrix::columns;
  for (int64_t c = 0; c < count; c += V::lanes) {
    const auto mask = V::mask(count - c < V::lanes ? count - c : V::lanes);
    Vector half[rows][columns];
    for (int j = 0; j < columns; ++j) {
      Vector in[columns], out[rows];
      for (int i = 0; i < columns; ++i) in[i] = V::load(from + (i * columns + j) * from_position + c);
      apply<V, Matrix>(in, out);
      for (int i = 0; i < rows; ++i) half[i][j] = out[i];
    }
    for (int i = 0; i < rows; ++i) {
      Vector out[rows];
      apply<V, Matrix>(half[i], out);
      for (int j = 0; j < rows; ++j) {
        float* pixel = pixels[i * rows + j];
        if (pixel) finish_pixel<V>(pixel, c, out[j], mask, finish);
      }
    }
  }
}

template <typename V, int Outputs, int Taps>
constexpr WinogradKernels winograd_kernels() {
  using F = winograd::Filtering<Outputs, Taps>;
  return {.outputs = Outputs,
          .taps = Taps,
          .input = spread<V, typename F::InputMatrix>,
          .weight = spread<V, typename F::FilterMatrix>,
          .output = collect<V, typename F::OutputMatrix>,
          .output_gradient = spread<V, winograd::Transposed<typename F::OutputMatrix>>,
          .weight_gradient = collect<V, winograd::Transposed<typename F::FilterMatrix>>};
}

}  // namespace convoy::kernels
