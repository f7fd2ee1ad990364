// What one element goes through in an update, for the CPU's loops and a GPU's kernel: both take the same operations in
// the same order, so that they give the same bits. Formulas are in optimizer.hpp; d stands for the slope.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/base/host_device.hpp"

namespace convoy {

/// How the elements of a parameter change. Several optimizers may share a rule.
enum class Rule : uint8_t { sgd, momentum, nesterov, adagrad, rmsprop, rmsprop_momentum, adadelta, adam };

CONVOY_HOST_DEVICE constexpr int slots_of(Rule rule) {
  switch (rule) {
    case Rule::sgd: return 0;
    case Rule::momentum:
    case Rule::nesterov:
    case Rule::adagrad:
    case Rule::rmsprop: return 1;
    case Rule::rmsprop_momentum:
    case Rule::adadelta:
    case Rule::adam: break;
  }
  return 2;
}

/// An optimizer's constants; a rule reads its own. `rest` of a factor is 1 - factor, taken in double precision:
/// 1 - 0.999f is off by 1e-5.
struct RuleFactors {
  float mu = 0;
  float decay = 0, decay_rest = 0;  // rmsprop's alpha, adadelta's rho
  float beta1 = 0, beta1_rest = 0, beta2 = 0, beta2_rest = 0;
  float epsilon = 0;
};

/// What stands for dL/dw in an update: scale g + decay w + l1 sign(w).
struct Slope {
  float scale = 1, decay = 0, l1 = 0;
};

/// Of one segment in one step.
struct alignas(16) SegmentFactors {
  float rate = 0;  // with the segment's multiplier; Adam's over 1 - beta1^t
  Slope slope;
  float root2 = 1;         // Adam's 1 / sqrt(1 - beta2^t)
  float shrink = 1;        // of the weights before the step, AdamW's decay
  float average_rate = 0;  // not 0: a running average, and nothing else counts
};

CONVOY_HOST_DEVICE inline float slope_at(const Slope& slope, float g, float w) {
  const float sign = w > 0 ? slope.l1 : w < 0 ? -slope.l1 : 0.0f;
  return slope.scale * g + slope.decay * w + sign;
}

CONVOY_HOST_DEVICE inline void sgd_element(const SegmentFactors& s, float g, float& w) {
  w -= s.rate * slope_at(s.slope, g, w);
}

CONVOY_HOST_DEVICE inline void momentum_element(const RuleFactors& f, const SegmentFactors& s, float g, float& w,
                                                float& v) {
  v = f.mu * v + slope_at(s.slope, g, w);
  w -= s.rate * v;
}

CONVOY_HOST_DEVICE inline void nesterov_element(const RuleFactors& f, const SegmentFactors& s, float g, float& w,
                                                float& v) {
  const float d = slope_at(s.slope, g, w);
  v = f.mu * v + d;
  w -= s.rate * (d + f.mu * v);
}

CONVOY_HOST_DEVICE inline void adagrad_element(const RuleFactors& f, const SegmentFactors& s, float g, float& w,
                                               float& sum) {
  const float d = slope_at(s.slope, g, w);
  sum += d * d;
  w -= s.rate * d / (std::sqrt(sum) + f.epsilon);
}

CONVOY_HOST_DEVICE inline void rmsprop_element(const RuleFactors& f, const SegmentFactors& s, float g, float& w,
                                               float& square) {
  const float d = slope_at(s.slope, g, w);
  square = f.decay * square + f.decay_rest * (d * d);
  w -= s.rate * d / (std::sqrt(square) + f.epsilon);
}

CONVOY_HOST_DEVICE inline void rmsprop_momentum_element(const RuleFactors& f, const SegmentFactors& s, float g,
                                                        float& w, float& square, float& v) {
  const float d = slope_at(s.slope, g, w);
  square = f.decay * square + f.decay_rest * (d * d);
  v = f.mu * v + d / (std::sqrt(square) + f.epsilon);
  w -= s.rate * v;
}

CONVOY_HOST_DEVICE inline void adadelta_element(const RuleFactors& f, const SegmentFactors& s, float g, float& w,
                                                float& square, float& moved) {
  const float d = slope_at(s.slope, g, w);
  square = f.decay * square + f.decay_rest * (d * d);
  const float move = std::sqrt(moved + f.epsilon) / std::sqrt(square + f.epsilon) * d;
  moved = f.decay * moved + f.decay_rest * (move * move);
  w -= s.rate * move;
}

CONVOY_HOST_DEVICE inline void adam_element(const RuleFactors& f, const SegmentFactors& s, float g, float& w,
                                            float& first, float& second) {
  const float d = slope_at(s.slope, g, w);
  first = f.beta1 * first + f.beta1_rest * d;
  second = f.beta2 * second + f.beta2_rest * (d * d);
  w = s.shrink * w - s.rate * first / (std::sqrt(second) * s.root2 + f.epsilon);
}

CONVOY_HOST_DEVICE inline void average_element(float rate, float g, float& w) {
  w += rate * (g - w);
}

}  // namespace convoy
