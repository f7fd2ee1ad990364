// Softmax and its logarithm on the CPU.
#include "core/ops/score_rows_cpu.hpp"
#include "core/ops/softmax.hpp"

namespace convoy {
namespace {

class CpuSoftmax final : public Softmax {
 public:
  CpuSoftmax(const SoftmaxSpec& spec, const OpOptions& options) : classes_(spec.classes), options_(options) {}

  void forward(const OpContext&, const float* x, float* y) override {
    cpu::for_score_rows(options_, classes_, [&](int64_t n) {
      const float* row = x + n * classes_;
      float* out = y + n * classes_;
      const float max = row[cpu::place_of_max(classes_, row)];
      const double scale = 1 / cpu::sum_of_exponentials(classes_, row, max, -1);
      for (int64_t k = 0; k < classes_; ++k) out[k] = static_cast<float>(exponential(row[k], max) * scale);
    });
  }

  void forward_log(const OpContext&, const float* x, float* y) override {
    cpu::for_score_rows(options_, classes_, [&](int64_t n) {
      const float* row = x + n * classes_;
      float* out = y + n * classes_;
      const int64_t top = cpu::place_of_max(classes_, row);
      const double max = static_cast<double>(row[top]);
      const double log_sum = cpu::log_of_sum(classes_, row, top);
      // The difference from the largest first: it is exact, and the logarithm may be tiny beside the scores.
      for (int64_t k = 0; k < classes_; ++k) out[k] = static_cast<float>(static_cast<double>(row[k]) - max - log_sum);
    });
  }

  void backward(const OpContext&, const float* y, const float* dy, float* dx, Write write) override {
    cpu::for_score_rows(options_, classes_, [&](int64_t n) {
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

 private:
  int64_t classes_;
  OpOptions options_;
};

}  // namespace

std::unique_ptr<Softmax> make_softmax_cpu(Device&, const SoftmaxSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuSoftmax>(spec, options);
}

}  // namespace convoy
