// The matrices of Winograd's minimal filtering, worked out by the compiler from one table of interpolation points.
//
// F(m, r) gives m outputs of a filter with r taps from n = m + r - 1 inputs by n products: y = A^T ((G g) * (B^T d)).
// The filter and the inputs are seen as polynomials, evaluated at n - 1 points and at infinity (A. Lavin and S. Gray,
// "Fast Algorithms for Convolutional Neural Networks", 2015). The smallest of use, F(2,3) at 0, 1, -1 and infinity, 4
// products in place of 6:
//
//         -1  0  1  0           -1   0   0
//   B^T =  0  1  1  0      G =  .5  .5  .5      A^T = 1  1  1  0      y_0 = -g_0 (d_2 - d_0)
//          0 -1  1  0           .5 -.5  .5            0  1 -1  1            + (g_0 + g_1 + g_2)/2 (d_1 + d_2)
//          0 -1  0  1            0   0   1                                  + (g_0 - g_1 + g_2)/2 (d_2 - d_1)
//
// In two dimensions each matrix is applied to the rows and to the columns.
#pragma once

namespace convoy::winograd {

/// Small numbers of either sign and their inverses keep the powers, and with them the rounding errors, small. A point
/// stands beside its negative, so that the two share their sums (see transform.hpp).
template <int Inputs>
struct Points;
template <>
struct Points<6> {
  static constexpr double at[] = {0, 1, -1, 2, -2};
};
template <>
struct Points<7> {
  static constexpr double at[] = {0, 1, -1, 0.5, -0.5, -2};
};
template <>
struct Points<8> {
  static constexpr double at[] = {0, 1, -1, 2, -2, 0.5, -0.5};
};

constexpr double power(double base, int exponent) {
  return exponent == 0 ? 1 : base * power(base, exponent - 1);
}

template <int Outputs, int Taps>
struct Filtering {
  static constexpr int outputs = Outputs, taps = Taps, inputs = Outputs + Taps - 1;

  /// Row i of B^T: the coefficients of prod_{l != i} (x - p_l), the infinite point being no factor.
  struct InputMatrix {  // B^T, (n, n)
    static constexpr int rows = inputs, columns = inputs;
    static constexpr double at(int i, int j) {
      double c[inputs + 1] = {1};
      int degree = 0;
      for (int l = 0; l < inputs - 1; ++l) {
        if (l == i) continue;
        ++degree;
        for (int k = degree; k >= 0; --k) c[k] = (k > 0 ? c[k - 1] : 0) - Points<inputs>::at[l] * c[k];
      }
      return j <= degree ? c[j] : 0;
    }
  };
  struct FilterMatrix {  // G, (n, r)
    static constexpr int rows = inputs, columns = Taps;
    static constexpr double at(int i, int j) {
      if (i == inputs - 1) return j == Taps - 1 ? 1 : 0;
      double product = 1;
      for (int l = 0; l < inputs - 1; ++l) product *= l == i ? 1 : Points<inputs>::at[i] - Points<inputs>::at[l];
      return power(Points<inputs>::at[i], j) / product;
    }
  };
  struct OutputMatrix {  // A^T, (m, n)
    static constexpr int rows = Outputs, columns = inputs;
    static constexpr double at(int i, int j) {
      if (j == inputs - 1) return i == Outputs - 1 ? 1 : 0;
      return power(Points<inputs>::at[j], i);
    }
  };
};

template <typename Matrix>
struct Transposed {
  static constexpr int rows = Matrix::columns, columns = Matrix::rows;
  static constexpr double at(int i, int j) { return Matrix::at(j, i); }
};

}  // namespace convoy::winograd
