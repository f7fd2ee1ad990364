// Rows of scores on the CPU: what softmax and the losses share.
//
// Exponentials and sums are taken in double: a row has few elements, and a loss must be right to 1e-6 even where it is
// small, when 1 - p has lost all its digits in fp32.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "core/base/parallel.hpp"
#include "core/ops/op.hpp"
#include "core/ops/score_rules.hpp"

namespace convoy::cpu {

/// Scores whose exponentials are worth a second thread.
constexpr int64_t scores_grain = 2048;

/// row(n) for every image, split over the team's threads.
template <typename Row>
void for_score_rows(const OpOptions& options, int64_t classes, const Row& row) {
  const TeamThreads threads(options.threads);
  parallel_for(options.batch, scores_grain / classes + 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) row(n);
  });
}

/// The place of the largest score; NaN only if it comes first, which is enough: any NaN makes the sums NaN.
inline int64_t place_of_max(int64_t n, const float* x) {
  return std::max_element(x, x + n) - x;
}

/// Sum of exp(x_k - max) over all k but `left_out`.
inline double sum_of_exponentials(int64_t n, const float* x, float max, int64_t left_out) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) {
    if (k != left_out) sum += exponential(x[k], max);
  }
  return sum;
}

/// log sum_j exp(x_j - x_top) for the largest score x_top. Its term is 1 exactly: log1p of the others keeps a result
/// near 0 exact.
inline double log_of_sum(int64_t n, const float* x, int64_t top) {
  return std::log1p(sum_of_exponentials(n, x, x[top], top));
}

}  // namespace convoy::cpu
