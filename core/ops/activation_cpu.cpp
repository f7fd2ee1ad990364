// Activation functions on the CPU.
//
// Ranges run over all images at once. x and y, and dy and dx, may be the same memory: an element is read before it is
// written, and no element depends on another.
#include <cmath>

#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/activation.hpp"
#include "core/ops/elementwise_cpu.hpp"
#include "core/ops/vector_math_cpu.hpp"

namespace convoy {
namespace {

/// Elements of sigmoid and tanh that are worth a second thread.
constexpr int64_t exponentials_grain = 4096;

CONVOY_ISA_CLONES void leaky_relu(int64_t n, float slope, const float* x, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

CONVOY_ISA_CLONES void sigmoid(int64_t n, const float* x, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    // By exp(-|x|), which cannot overflow, and without 1 - exp(...) where little would be left of it.
    const float t = cpu::vector_exp(-std::abs(x[i]));
    const float above = x[i] < 0 ? t : 1.0f;
    y[i] = above / (1.0f + t);
  }
}

CONVOY_ISA_CLONES void hyperbolic_tangent(int64_t n, const float* x, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float size = std::abs(x[i]), square = x[i] * x[i];
    const float t = cpu::vector_exp(-2.0f * size);
    const float far = std::copysign((1.0f - t) / (1.0f + t), x[i]);
    // Near 0 that would be a difference of nearly equal numbers: the odd polynomial of Cephes instead.
    float p = -5.70498872745e-3f;
    p = p * square + 2.06390887954e-2f;
    p = p * square + -5.37397155531e-2f;
    p = p * square + 1.33314422036e-1f;
    p = p * square + -3.33332819422e-1f;
    const float near = p * square * x[i] + x[i];
    y[i] = size < 0.625f ? near : far;
  }
}

/// dx = dy f'(x), or dx += it, with the slope told from y.
template <typename Slope>
[[gnu::always_inline]] inline void spread(int64_t n, const float* y, const float* dy, float* dx, Write write,
                                          const Slope& slope) {
  if (write == Write::accumulate) {  // NOLINT(bugprone-branch-clone): the pragmas hide the loops
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) dx[i] += slope(y[i], dy[i]);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) dx[i] = slope(y[i], dy[i]);
  }
}

CONVOY_ISA_CLONES void relu_backward(int64_t n, const float* y, const float* dy, float* dx, Write write) {
  spread(n, y, dy, dx, write, [](float value, float d) { return value > 0 ? d : 0.0f; });
}

CONVOY_ISA_CLONES void leaky_relu_backward(int64_t n, float slope, const float* y, const float* dy, float* dx,
                                           Write write) {
  spread(n, y, dy, dx, write, [=](float value, float d) { return d * (value > 0 ? 1.0f : slope); });
}

CONVOY_ISA_CLONES void sigmoid_backward(int64_t n, const float* y, const float* dy, float* dx, Write write) {
  spread(n, y, dy, dx, write, [](float value, float d) { return d * (value * (1.0f - value)); });
}

CONVOY_ISA_CLONES void tanh_backward(int64_t n, const float* y, const float* dy, float* dx, Write write) {
  spread(n, y, dy, dx, write, [](float value, float d) { return d * (1.0f - value * value); });
}

class CpuActivation final : public ActivationOp {
 public:
  CpuActivation(const ActivationSpec& spec, const OpOptions& options)
      : spec_(spec), count_(spec.count * options.batch), threads_(options.threads) {}

  void forward(const OpContext&, const float* x, float* y) override {
    const TeamThreads threads(threads_);
    switch (spec_.function) {
      case Activation::none: break;  // make_activation refuses it
      case Activation::relu: return cpu::relu(count_, x, y);
      case Activation::leaky_relu:
        return over_ranges(cpu::elementwise_grain,
                           [=, this](int64_t at, int64_t n) { leaky_relu(n, spec_.slope, x + at, y + at); });
      case Activation::sigmoid:
        return over_ranges(exponentials_grain, [=](int64_t at, int64_t n) { sigmoid(n, x + at, y + at); });
      case Activation::tanh:
        return over_ranges(exponentials_grain, [=](int64_t at, int64_t n) { hyperbolic_tangent(n, x + at, y + at); });
    }
  }

  void backward(const OpContext&, const float* y, const float* dy, float* dx, Write write) override {
    const TeamThreads threads(threads_);
    over_ranges(cpu::elementwise_grain, [=, this](int64_t at, int64_t n) {
      switch (spec_.function) {
        case Activation::none: break;
        case Activation::relu: return relu_backward(n, y + at, dy + at, dx + at, write);
        case Activation::leaky_relu: return leaky_relu_backward(n, spec_.slope, y + at, dy + at, dx + at, write);
        case Activation::sigmoid: return sigmoid_backward(n, y + at, dy + at, dx + at, write);
        case Activation::tanh: return tanh_backward(n, y + at, dy + at, dx + at, write);
      }
    });
  }

 private:
  /// f(first element, elements), side by side.
  template <typename Function>
  void over_ranges(int64_t grain, const Function& f) const {
    parallel_for(count_, grain, [&](int64_t begin, int64_t end) { f(begin, end - begin); });
  }

  const ActivationSpec spec_;
  int64_t count_;
  int threads_;
};

}  // namespace

std::unique_ptr<ActivationOp> make_activation_cpu(Device&, const ActivationSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuActivation>(spec, options);
}

}  // namespace convoy
