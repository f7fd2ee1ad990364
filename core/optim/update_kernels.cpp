// Every element is computed on its own, so the buffers may be cut anywhere. The build leaves errno out of the square
// roots of this file (core/CMakeLists.txt): with it, loops that take them do not become vector code.
#include "core/optim/update_kernels.hpp"

#include <cmath>

#include "core/base/isa.hpp"

namespace convoy {
namespace {

inline float slope_at(const Slope& slope, float g, float w) {
  const float sign = w > 0 ? slope.l1 : w < 0 ? -slope.l1 : 0.0f;
  return slope.scale * g + slope.decay * w + sign;
}

}  // namespace

// `ivdep`: weights, gradients and slots are different buffers.

CONVOY_ISA_CLONES void sgd_kernel(const UpdateSpan& span) {
  float* w = span.weights;
  const float* g = span.gradients;
  const float rate = span.rate;
  const Slope slope = span.slope;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) w[i] -= rate * slope_at(slope, g[i], w[i]);
}

CONVOY_ISA_CLONES void momentum_kernel(const UpdateSpan& span, float mu) {
  float *w = span.weights, *v = span.slots[0];
  const float* g = span.gradients;
  const float rate = span.rate;
  const Slope slope = span.slope;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) {
    v[i] = mu * v[i] + slope_at(slope, g[i], w[i]);
    w[i] -= rate * v[i];
  }
}

CONVOY_ISA_CLONES void nesterov_kernel(const UpdateSpan& span, float mu) {
  float *w = span.weights, *v = span.slots[0];
  const float* g = span.gradients;
  const float rate = span.rate;
  const Slope slope = span.slope;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) {
    const float d = slope_at(slope, g[i], w[i]);
    v[i] = mu * v[i] + d;
    w[i] -= rate * (d + mu * v[i]);
  }
}

CONVOY_ISA_CLONES void adagrad_kernel(const UpdateSpan& span, float epsilon) {
  float *w = span.weights, *sum = span.slots[0];
  const float* g = span.gradients;
  const float rate = span.rate;
  const Slope slope = span.slope;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) {
    const float d = slope_at(slope, g[i], w[i]);
    sum[i] += d * d;
    w[i] -= rate * d / (std::sqrt(sum[i]) + epsilon);
  }
}

CONVOY_ISA_CLONES void rmsprop_kernel(const UpdateSpan& span, float alpha, float alpha_rest, float epsilon) {
  float *w = span.weights, *square = span.slots[0];
  const float* g = span.gradients;
  const float rate = span.rate;
  const Slope slope = span.slope;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) {
    const float d = slope_at(slope, g[i], w[i]);
    square[i] = alpha * square[i] + alpha_rest * (d * d);
    w[i] -= rate * d / (std::sqrt(square[i]) + epsilon);
  }
}

CONVOY_ISA_CLONES void rmsprop_momentum_kernel(const UpdateSpan& span, float alpha, float alpha_rest, float epsilon,
                                               float mu) {
  float *w = span.weights, *square = span.slots[0], *v = span.slots[1];
  const float* g = span.gradients;
  const float rate = span.rate;
  const Slope slope = span.slope;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) {
    const float d = slope_at(slope, g[i], w[i]);
    square[i] = alpha * square[i] + alpha_rest * (d * d);
    v[i] = mu * v[i] + d / (std::sqrt(square[i]) + epsilon);
    w[i] -= rate * v[i];
  }
}

CONVOY_ISA_CLONES void adadelta_kernel(const UpdateSpan& span, float rho, float rho_rest, float epsilon) {
  float *w = span.weights, *square = span.slots[0], *moved = span.slots[1];
  const float* g = span.gradients;
  const float rate = span.rate;
  const Slope slope = span.slope;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) {
    const float d = slope_at(slope, g[i], w[i]);
    square[i] = rho * square[i] + rho_rest * (d * d);
    const float move = std::sqrt(moved[i] + epsilon) / std::sqrt(square[i] + epsilon) * d;
    moved[i] = rho * moved[i] + rho_rest * (move * move);
    w[i] -= rate * move;
  }
}

CONVOY_ISA_CLONES void adam_kernel(const UpdateSpan& span, const AdamFactors& factors) {
  float *w = span.weights, *first = span.slots[0], *second = span.slots[1];
  const float* g = span.gradients;
  const AdamFactors f = factors;
  const Slope slope = span.slope;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) {
    const float d = slope_at(slope, g[i], w[i]);
    first[i] = f.beta1 * first[i] + f.beta1_rest * d;
    second[i] = f.beta2 * second[i] + f.beta2_rest * (d * d);
    w[i] = f.shrink * w[i] - f.rate * first[i] / (std::sqrt(second[i]) * f.root2 + f.epsilon);
  }
}

CONVOY_ISA_CLONES void average_kernel(float* weights, const float* gradients, size_t count, float rate) {
#pragma GCC ivdep
  for (size_t i = 0; i < count; ++i) weights[i] += rate * (gradients[i] - weights[i]);
}

}  // namespace convoy
