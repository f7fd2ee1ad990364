// Batch normalisation on the CPU: two passes over the tensor in forward (seldom three), two in backward.
//
// Rows of few channels are taken several at a time, as one wide row whose columns are (row, channel): every loop then
// fills its vectors, whatever the number of channels. Sums are of differences from the mean or a number near by, so
// that a mean much larger than the deviation costs nothing; a few rows are added up in fp32, their sums in double.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/batchnorm.hpp"
#include "core/ops/elementwise_cpu.hpp"

namespace convoy {
namespace {

/// Rows that a loop of sums takes at once, so that a column's sums are fetched once for all of them.
constexpr int64_t group = 8;

/// Rows looked at for a guess of the mean.
constexpr int64_t sampled_rows = 16;

/// Columns of a wide row to aim at: their sums and parameters stay in the first-level cache.
constexpr int64_t wide = 512;

/// Rows in a wide row: where there are many, a multiple of a vector's lanes, so that none is left half full.
int64_t rows_abreast(int64_t channels, int64_t rows) {
  const int64_t fit = std::clamp<int64_t>(wide / channels, 1, rows);
  return fit < 16 ? fit : fit / 16 * 16;
}

/// Of some rows, for each channel the element nearest to their mean. Not the mean itself: numbers of one kind have bits
/// in common, and their differences from one of them are most often exact.
CONVOY_ISA_CLONES void find_typical(int64_t rows, int64_t stride, int64_t channels, const float* x,
                                    float* __restrict mean, float* __restrict nearest) {
  for (int64_t c = 0; c < channels; ++c) mean[c] = nearest[c] = x[c];
  for (int64_t r = 1; r < rows; ++r) {
    for (int64_t c = 0; c < channels; ++c) mean[c] += x[r * stride + c];
  }
  for (int64_t c = 0; c < channels; ++c) mean[c] /= static_cast<float>(rows);
  for (int64_t r = 1; r < rows; ++r) {
    for (int64_t c = 0; c < channels; ++c) {
      const float here = x[r * stride + c];
      nearest[c] = std::abs(here - mean[c]) < std::abs(nearest[c] - mean[c]) ? here : nearest[c];
    }
  }
}

struct ForwardSums {
  double* first;   // sum of x - shift, per column
  double* second;  // sum of (x - shift)^2
};

template <int64_t rows>
[[gnu::always_inline]] inline void sum_rows(int64_t n, const float* x, const float* shift, const ForwardSums& sums) {
#pragma omp simd
  for (int64_t c = 0; c < n; ++c) {
    float first = 0, second = 0;
#pragma GCC unroll 8
    for (int64_t r = 0; r < rows; ++r) {
      const float difference = x[r * n + c] - shift[c];
      first += difference;
      second += difference * difference;
    }
    sums.first[c] += static_cast<double>(first);
    sums.second[c] += static_cast<double>(second);
  }
}

CONVOY_ISA_CLONES void sum_forward(int64_t rows, int64_t n, const float* x, const float* shift,
                                   const ForwardSums& sums) {
  int64_t r = 0;
  for (; r + group <= rows; r += group) sum_rows<group>(n, x + r * n, shift, sums);
  for (; r < rows; ++r) sum_rows<1>(n, x + r * n, shift, sums);
}

struct BackwardSums {
  double* dy;    // sum of dy, per column
  double* dy_x;  // sum of dy (x - mean)
  double* lost;  // sum of x - mean, not 0 because the mean was rounded to fp32
};

template <int64_t rows>
[[gnu::always_inline]] inline void sum_gradient_rows(int64_t n, const float* x, const float* dy, const float* mean,
                                                     const BackwardSums& sums) {
#pragma omp simd
  for (int64_t c = 0; c < n; ++c) {
    float sum = 0, product = 0, lost = 0;
#pragma GCC unroll 8
    for (int64_t r = 0; r < rows; ++r) {
      const float difference = x[r * n + c] - mean[c], gradient = dy[r * n + c];
      sum += gradient;
      product += gradient * difference;
      lost += difference;
    }
    sums.dy[c] += static_cast<double>(sum);
    sums.dy_x[c] += static_cast<double>(product);
    sums.lost[c] += static_cast<double>(lost);
  }
}

CONVOY_ISA_CLONES void sum_backward(int64_t rows, int64_t n, const float* x, const float* dy, const float* mean,
                                    const BackwardSums& sums) {
  int64_t r = 0;
  for (; r + group <= rows; r += group) sum_gradient_rows<group>(n, x + r * n, dy + r * n, mean, sums);
  for (; r < rows; ++r) sum_gradient_rows<1>(n, x + r * n, dy + r * n, mean, sums);
}

/// y = scale (x - mean) + offset, per column.
struct Affine {
  float *mean, *scale, *offset;
};

template <bool relu>
[[gnu::always_inline]] inline void normalise_rows(int64_t rows, int64_t n, const float* x, const Affine& a, float* y) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
#pragma omp simd
    for (int64_t c = 0; c < n; ++c) {
      const float value = (x[c] - a.mean[c]) * a.scale[c] + a.offset[c];
      y[c] = relu && value < 0 ? 0 : value;  // NaN, which compares false, is kept
    }
  }
}

CONVOY_ISA_CLONES void normalise(int64_t rows, int64_t n, const float* x, const Affine& a, float* y) {
  normalise_rows<false>(rows, n, x, a, y);
}

CONVOY_ISA_CLONES void normalise_relu(int64_t rows, int64_t n, const float* x, const Affine& a, float* y) {
  normalise_rows<true>(rows, n, x, a, y);
}

/// dx = scale (dy - dy_mean) + (slope (x - mean) + offset), per column.
struct GradientTerms {
  float *mean, *scale, *dy_mean, *slope, *offset;
};

template <bool add>
[[gnu::always_inline]] inline void differentiate_rows(int64_t rows, int64_t n, const float* x, const float* dy,
                                                      const GradientTerms& t, float* dx) {
  for (int64_t r = 0; r < rows; ++r, x += n, dy += n, dx += n) {
#pragma omp simd
    for (int64_t c = 0; c < n; ++c) {
      const float gradient = (dy[c] - t.dy_mean[c]) * t.scale[c] + ((x[c] - t.mean[c]) * t.slope[c] + t.offset[c]);
      dx[c] = add ? dx[c] + gradient : gradient;
    }
  }
}

CONVOY_ISA_CLONES void differentiate(int64_t rows, int64_t n, const float* x, const float* dy, const GradientTerms& t,
                                     float* dx) {
  differentiate_rows<false>(rows, n, x, dy, t, dx);
}

CONVOY_ISA_CLONES void add_differentiated(int64_t rows, int64_t n, const float* x, const float* dy,
                                          const GradientTerms& t, float* dx) {
  differentiate_rows<true>(rows, n, x, dy, t, dx);
}

class CpuBatchNorm final : public BatchNorm {
 public:
  CpuBatchNorm(const BatchNormSpec& spec, const OpOptions& options)
      : channels_(spec.channels),
        rows_(spec.pixels * options.batch),
        copies_(rows_abreast(channels_, rows_)),
        width_(copies_ * channels_),
        wide_rows_(rows_ / copies_),
        parts_(std::clamp<int64_t>(rows_ * channels_ / cpu::elementwise_grain, 1, options.threads)),
        epsilon_(static_cast<double>(spec.epsilon)),
        relu_(spec.activation == Activation::relu),
        threads_(options.threads) {}

  size_t scratch_bytes() const override {
    const size_t width = static_cast<size_t>(width_);
    return width * (static_cast<size_t>(parts_) * sums_per_column * sizeof(double) + terms_per_column * sizeof(float));
  }

  void forward_training(const OpContext& context, const float* x, const float* weight, const float* bias, float* y,
                        const BatchStatistics& statistics) override {
    const TeamThreads threads(threads_);
    const Affine affine = affine_in(context);
    guess_means(x, affine);
    sum_differences(context, x, affine.mean);
    // The squares' rounding is harmless while the shift is within two deviations of the mean. The sample may have
    // missed it in some channel: the mean just found does not.
    std::atomic<bool> missed = false;
    over_channels([&](int64_t c) {
      const Moments m = moments(context, c);
      if (m.above_shift * m.above_shift > 4 * m.variance) missed = true;
    });
    if (missed) {
      over_channels([&](int64_t c) {
        const double mean = static_cast<double>(affine.mean[c]) + moments(context, c).above_shift;
        repeat(static_cast<float>(mean), c, affine.mean);
      });
      sum_differences(context, x, affine.mean);
    }
    over_channels([&](int64_t c) {
      const Moments m = moments(context, c);
      const double shift = static_cast<double>(affine.mean[c]);
      statistics.mean[c] = static_cast<float>(shift + m.above_shift);
      statistics.variance[c] = static_cast<float>(m.variance);
      // What rounding takes from the mean is given to the offset: it may be large beside the deviation.
      const double lost = shift - static_cast<double>(statistics.mean[c]) + m.above_shift;
      const double scale = static_cast<double>(weight[c]) / std::sqrt(m.variance + epsilon_);
      set(affine, c, statistics.mean[c], scale, static_cast<double>(bias[c]) - lost * scale);
    });
    apply(affine, x, y);
  }

  void forward_inference(const OpContext& context, const float* x, const float* weight, const float* bias,
                         const float* mean, const float* variance, float* y) override {
    const TeamThreads threads(threads_);
    const Affine affine = affine_in(context);
    over_channels([&](int64_t c) {
      const double scale = static_cast<double>(weight[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon_);
      set(affine, c, mean[c], scale, static_cast<double>(bias[c]));
    });
    apply(affine, x, y);
  }

  void backward(const OpContext& context, const float* x, const float* dy, const float* weight,
                const BatchStatistics& statistics, float* dx, Write write, float* dweight, float* dbias) override {
    const TeamThreads threads(threads_);
    const GradientTerms terms = gradient_terms_in(context);
    over_channels([&](int64_t c) { repeat(statistics.mean[c], c, terms.mean); });
    over_parts([&](int64_t part, int64_t at, int64_t rows, int64_t rest) {
      const BackwardSums sums{sums_of(context, part, 0), sums_of(context, part, 1), sums_of(context, part, 2)};
      std::fill_n(sums.dy, 3 * width_, 0.0);
      const int64_t end = at + rows * width_;
      sum_backward(rows, width_, x + at, dy + at, terms.mean, sums);
      sum_backward(1, rest, x + end, dy + end, terms.mean, sums);
    });
    over_channels([&](int64_t c) {
      const double n = static_cast<double>(rows_), sum = total(context, 0, c), lost = total(context, 2, c) / n;
      const double inverse = 1 / std::sqrt(static_cast<double>(statistics.variance[c]) + epsilon_);
      const double product = (total(context, 1, c) - sum * lost) * inverse;
      dbias[c] = static_cast<float>(sum);
      dweight[c] = static_cast<float>(product);
      const double scale = static_cast<double>(weight[c]) * inverse, slope = -scale * inverse * product / n;
      set(terms, c, scale, sum / n, slope, -slope * lost);
    });
    if (dx) differentiate_all(terms, x, dy, dx, write);
  }

  void newest_statistics(const OpContext&, const BatchStatistics& statistics, float share, float* mean,
                         float* variance) override {
    const float unbiased = unbiased_by(rows_);
    for (int64_t c = 0; c < channels_; ++c) {
      mean[c] = share * statistics.mean[c];
      variance[c] = share * unbiased * statistics.variance[c];
    }
  }

 private:
  static constexpr size_t sums_per_column = 3, terms_per_column = 5;

  /// f(part, at, rows, rest): the share of each thread starts at element `at` with some wide rows, after which the last
  /// has `rest` elements more, the beginning of a wide row.
  template <typename Function>
  void over_parts(const Function& f) const {
    parallel_for(parts_, 1, [&](int64_t first, int64_t last) {
      for (int64_t part = first; part < last; ++part) {
        const int64_t begin = wide_rows_ * part / parts_, end = wide_rows_ * (part + 1) / parts_;
        const int64_t rest = part + 1 == parts_ ? rows_ % copies_ * channels_ : 0;
        f(part, begin * width_, end - begin, rest);
      }
    });
  }

  template <typename Function>
  void over_channels(const Function& f) const {
    parallel_for(channels_, cpu::elementwise_grain / (copies_ * parts_) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) f(c);
    });
  }

  void guess_means(const float* x, const Affine& affine) const {
    const int64_t samples = std::min(sampled_rows, rows_);
    find_typical(samples, rows_ / samples * channels_, channels_, x, affine.scale, affine.mean);
    for (int64_t i = 1; i < copies_; ++i) std::copy_n(affine.mean, channels_, affine.mean + i * channels_);
  }

  void sum_differences(const OpContext& context, const float* x, const float* shift) const {
    over_parts([&](int64_t part, int64_t at, int64_t rows, int64_t rest) {
      const ForwardSums sums{sums_of(context, part, 0), sums_of(context, part, 1)};
      std::fill_n(sums.first, 2 * width_, 0.0);
      sum_forward(rows, width_, x + at, shift, sums);
      sum_forward(1, rest, x + at + rows * width_, shift, sums);
    });
  }

  struct Moments {
    double above_shift;  // the mean, less the shift
    double variance;
  };
  Moments moments(const OpContext& context, int64_t channel) const {
    const double n = static_cast<double>(rows_), above = total(context, 0, channel) / n;
    return {above, std::max(total(context, 1, channel) / n - above * above, 0.0)};
  }

  void apply(const Affine& affine, const float* x, float* y) const {
    const auto range = relu_ ? normalise_relu : normalise;
    over_parts([&](int64_t, int64_t at, int64_t rows, int64_t rest) {
      const int64_t end = at + rows * width_;
      range(rows, width_, x + at, affine, y + at);
      range(1, rest, x + end, affine, y + end);
    });
  }

  void differentiate_all(const GradientTerms& terms, const float* x, const float* dy, float* dx, Write write) const {
    const auto range = write == Write::accumulate ? add_differentiated : differentiate;
    over_parts([&](int64_t, int64_t at, int64_t rows, int64_t rest) {
      const int64_t end = at + rows * width_;
      range(rows, width_, x + at, dy + at, terms, dx + at);
      range(1, rest, x + end, dy + end, terms, dx + end);
    });
  }

  // Scratch: each part's sums, then the terms of the formula; all per column.
  double* sums_of(const OpContext& context, int64_t part, int64_t which) const {
    return static_cast<double*>(context.scratch) + (part * static_cast<int64_t>(sums_per_column) + which) * width_;
  }
  float* term(const OpContext& context, int64_t which) const {
    return reinterpret_cast<float*>(sums_of(context, parts_, 0)) + which * width_;
  }
  Affine affine_in(const OpContext& context) const { return {term(context, 0), term(context, 1), term(context, 2)}; }
  GradientTerms gradient_terms_in(const OpContext& context) const {
    return {term(context, 0), term(context, 1), term(context, 2), term(context, 3), term(context, 4)};
  }

  double total(const OpContext& context, int64_t which, int64_t channel) const {
    double sum = 0;
    for (int64_t part = 0; part < parts_; ++part) {
      const double* sums = sums_of(context, part, which);
      for (int64_t column = channel; column < width_; column += channels_) sum += sums[column];
    }
    return sum;
  }

  void repeat(float value, int64_t channel, float* columns) const {
    for (int64_t column = channel; column < width_; column += channels_) columns[column] = value;
  }
  void set(const Affine& affine, int64_t channel, float mean, double scale, double offset) const {
    repeat(mean, channel, affine.mean);
    repeat(static_cast<float>(scale), channel, affine.scale);
    repeat(static_cast<float>(offset), channel, affine.offset);
  }
  void set(const GradientTerms& terms, int64_t channel, double scale, double dy_mean, double slope,
           double offset) const {
    repeat(static_cast<float>(scale), channel, terms.scale);
    repeat(static_cast<float>(dy_mean), channel, terms.dy_mean);
    repeat(static_cast<float>(slope), channel, terms.slope);
    repeat(static_cast<float>(offset), channel, terms.offset);
  }

  const int64_t channels_, rows_;
  const int64_t copies_;     // rows in a wide row
  const int64_t width_;      // columns of a wide row
  const int64_t wide_rows_;  // those that are full
  const int64_t parts_;      // of the rows, one per thread
  const double epsilon_;
  const bool relu_;
  const int threads_;
};

}  // namespace

std::unique_ptr<BatchNorm> make_batchnorm_cpu(Device&, const BatchNormSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuBatchNorm>(spec, options);
}

}  // namespace convoy
