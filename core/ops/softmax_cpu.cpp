// Softmax and its cross-entropy loss on the CPU.
//
// Exponentials and sums are taken in double: a row has few elements, and the loss must be right to 1e-6 even where it
// is small, when 1 - p has lost all its digits in fp32.
#include <algorithm>
#include <cmath>

#include "core/base/parallel.hpp"
#include "core/ops/softmax.hpp"

namespace convoy {
namespace {

/// Rows whose exponentials are worth a second thread.
constexpr int64_t exponentials_grain = 2048;

/// The place of the largest logit; NaN only if it comes first, which is enough: any NaN makes the sums NaN.
int64_t place_of_max(int64_t n, const float* x) {
  return std::max_element(x, x + n) - x;
}

double exponential(float x, float max) {
  return std::exp(static_cast<double>(x) - static_cast<double>(max));
}

/// Sum of exp(x_k - max) over all k but `left_out`.
double sum_of_exponentials(int64_t n, const float* x, float max, int64_t left_out) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) {
    if (k != left_out) sum += exponential(x[k], max);
  }
  return sum;
}

class CpuSoftmax final : public Softmax {
 public:
  CpuSoftmax(const SoftmaxSpec& spec, const OpOptions& options) : classes_(spec.classes), options_(options) {}

  void forward(const OpContext&, const float* x, float* y) override {
    for_rows([&](int64_t n) {
      const float* row = x + n * classes_;
      float* out = y + n * classes_;
      const float max = row[place_of_max(classes_, row)];
      const double scale = 1 / sum_of_exponentials(classes_, row, max, -1);
      for (int64_t k = 0; k < classes_; ++k) out[k] = static_cast<float>(exponential(row[k], max) * scale);
    });
  }

  void backward(const OpContext&, const float* y, const float* dy, float* dx, Write write) override {
    for_rows([&](int64_t n) {
      const int64_t at = n * classes_;
      double dot = 0;
      for (int64_t k = 0; k < classes_; ++k) dot += static_cast<double>(dy[at + k]) * static_cast<double>(y[at + k]);
      for (int64_t k = 0; k < classes_; ++k) {
        const float gradient =
            static_cast<float>(static_cast<double>(y[at + k]) * (static_cast<double>(dy[at + k]) - dot));
        dx[at + k] = write == Write::accumulate ? dx[at + k] + gradient : gradient;
      }
    });
  }

  void cross_entropy(const OpContext&, const float* x, const int32_t* labels, float* losses) override {
    for_rows([&](int64_t n) {
      const float* row = x + n * classes_;
      const int64_t top = place_of_max(classes_, row);
      // The largest term is 1 exactly; log1p of the others keeps a loss near 0 exact.
      const double others = sum_of_exponentials(classes_, row, row[top], top);
      const double margin = static_cast<double>(row[top]) - static_cast<double>(row[labels[n]]);
      losses[n] = static_cast<float>(margin + std::log1p(others));
    });
  }

  void cross_entropy_backward(const OpContext&, const float* x, const int32_t* labels, float scale,
                              float* dx) override {
    for_rows([&](int64_t n) {
      const float* row = x + n * classes_;
      float* out = dx + n * classes_;
      const int64_t label = labels[n];
      const float max = row[place_of_max(classes_, row)];
      const double others = sum_of_exponentials(classes_, row, max, label);
      const double factor = static_cast<double>(scale) / (others + exponential(row[label], max));
      for (int64_t k = 0; k < classes_; ++k) out[k] = static_cast<float>(exponential(row[k], max) * factor);
      // p - 1 written as minus the other probabilities, which does not cancel.
      out[label] = static_cast<float>(-others * factor);
    });
  }

 private:
  template <typename Row>
  void for_rows(const Row& row) const {
    const TeamThreads threads(options_.threads);
    parallel_for(options_.batch, exponentials_grain / classes_ + 1, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) row(n);
    });
  }

  int64_t classes_;
  OpOptions options_;
};

}  // namespace

std::unique_ptr<Softmax> make_softmax_cpu(Device&, const SoftmaxSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuSoftmax>(spec, options);
}

}  // namespace convoy
