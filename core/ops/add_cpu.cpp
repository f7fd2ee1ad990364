// The sum of tensors on the CPU.
#include <algorithm>
#include <cstring>

#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/add.hpp"
#include "core/ops/elementwise_cpu.hpp"

namespace convoy {
namespace {

/// y = a + b; y may be a.
CONVOY_ISA_CLONES void sum_range(int64_t n, const float* a, const float* b, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

/// y = max(a + b, 0); NaN, which compares false, is kept.
CONVOY_ISA_CLONES void relu_of_sum_range(int64_t n, const float* a, const float* b, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float sum = a[i] + b[i];
    y[i] = sum < 0 ? 0 : sum;
  }
}

class CpuAdd final : public Add {
 public:
  CpuAdd(const AddSpec& spec, const OpOptions& options)
      : count_(spec.count * options.batch), activation_(spec.activation), threads_(options.threads) {}

  void forward(const OpContext&, std::span<const float* const> x, float* y) override {
    const TeamThreads threads(threads_);
    parallel_for(count_, cpu::elementwise_grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += block) sum_block(std::min(block, end - i), i, x, y + i);
    });
  }

  void backward(const OpContext&, const float* dy, float* dx, Write write) override {
    const TeamThreads threads(threads_);
    if (write == Write::accumulate) {
      cpu::add(count_, dy, dx);
    } else if (dx != dy) {
      parallel_for(count_, cpu::elementwise_grain, [&](int64_t begin, int64_t end) {
        std::memcpy(dx + begin, dy + begin, static_cast<size_t>(end - begin) * sizeof(float));
      });
    }
  }

 private:
  /// Partial sums of more than two inputs stay in the first-level cache.
  static constexpr int64_t block = 2048;

  void sum_block(int64_t n, int64_t at, std::span<const float* const> x, float* y) const {
    const auto last = activation_ == Activation::relu ? relu_of_sum_range : sum_range;
    const float* sum = x[0] + at;
    for (size_t i = 1; i < x.size(); ++i) {
      (i + 1 == x.size() ? last : sum_range)(n, sum, x[i] + at, y);
      sum = y;
    }
  }

  int64_t count_;
  Activation activation_;
  int threads_;
};

}  // namespace

std::unique_ptr<Add> make_add_cpu(Device&, const AddSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuAdd>(spec, options);
}

}  // namespace convoy
