// What every op should give: naive loops in double, written from the definitions and sharing nothing with the ops.
//
// Each element is a Sum, which knows how large its terms were: the tolerance of a comparison follows from that.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "tests/core/ops/cases.hpp"

namespace convoy::testing {

/// A sum, the sum of its terms' absolute values and their number.
struct Sum {
  double value = 0, magnitude = 0, terms = 0;
  void add(double term) {
    value += term;
    magnitude += std::abs(term);
    ++terms;
  }
};

using Sums = std::vector<Sum>;
using Doubles = std::vector<double>;

/// Visits every multiplication of a convolution: visit(index into y, into x, into the weights).
inline void visit_conv(const ConvSpec& s, int64_t batch,
                       const std::function<void(size_t y, size_t x, size_t w)>& visit) {
  const int64_t h = s.input[0], w = s.input[1], c = s.input[2], cg = c / s.groups, kg = s.filters / s.groups;
  const int64_t out_h = (h + s.padding.top + s.padding.bottom - s.dilation.h * (s.kernel.h - 1) - 1) / s.stride.h + 1;
  const int64_t out_w = (w + s.padding.left + s.padding.right - s.dilation.w * (s.kernel.w - 1) - 1) / s.stride.w + 1;
  size_t y = 0;
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t p = 0; p < out_h; ++p) {
      for (int64_t q = 0; q < out_w; ++q) {
        for (int64_t k = 0; k < s.filters; ++k, ++y) {
          for (int64_t r = 0; r < s.kernel.h; ++r) {
            for (int64_t t = 0; t < s.kernel.w; ++t) {
              const int64_t row = p * s.stride.h + r * s.dilation.h - s.padding.top;
              const int64_t column = q * s.stride.w + t * s.dilation.w - s.padding.left;
              if (row < 0 || row >= h || column < 0 || column >= w) continue;
              for (int64_t i = 0; i < cg; ++i) {
                const int64_t channel = k / kg * cg + i;
                visit(y, static_cast<size_t>(((n * h + row) * w + column) * c + channel),
                      static_cast<size_t>(((k * s.kernel.h + r) * s.kernel.w + t) * cg + i));
              }
            }
          }
        }
      }
    }
  }
}

/// Visits every multiplication of y = x W^T.
inline void visit_fc(const FcSpec& s, int64_t batch, const std::function<void(size_t y, size_t x, size_t w)>& visit) {
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t k = 0; k < s.outputs; ++k) {
      for (int64_t c = 0; c < s.inputs; ++c) {
        visit(static_cast<size_t>(n * s.outputs + k), static_cast<size_t>(n * s.inputs + c),
              static_cast<size_t>(k * s.inputs + c));
      }
    }
  }
}

/// For each element of y, the index into x of its window's first largest element.
inline std::vector<size_t> places_of_max(const MaxPoolSpec& s, int64_t batch, const Doubles& x) {
  const int64_t h = s.input[0], w = s.input[1], c = s.input[2];
  std::vector<size_t> places;
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t p = 0; p < s.output[0]; ++p) {
      for (int64_t q = 0; q < s.output[1]; ++q) {
        for (int64_t channel = 0; channel < c; ++channel) {
          size_t place = x.size();
          for (int64_t r = 0; r < s.kernel.h; ++r) {
            for (int64_t t = 0; t < s.kernel.w; ++t) {
              const int64_t row = p * s.stride.h + r * s.dilation.h - s.padding.top;
              const int64_t column = q * s.stride.w + t * s.dilation.w - s.padding.left;
              if (row < 0 || row >= h || column < 0 || column >= w) continue;
              const size_t here = static_cast<size_t>(((n * h + row) * w + column) * c + channel);
              if (place == x.size() || x[here] > x[place]) place = here;
            }
          }
          places.push_back(place);
        }
      }
    }
  }
  return places;
}

/// exp(x_k) / sum exp(x_j), one row.
inline Doubles softmax_row(const double* x, int64_t classes) {
  const double max = *std::max_element(x, x + classes);
  Doubles y;
  double sum = 0;
  for (int64_t k = 0; k < classes; ++k) sum += y.emplace_back(std::exp(x[k] - max));
  for (double& value : y) value /= sum;
  return y;
}

}  // namespace convoy::testing
