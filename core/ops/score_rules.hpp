// The arithmetic of one score in softmax and in the losses, for the CPU and for GPUs: in double, see loss.hpp.
#pragma once

#include <cmath>

#include "core/base/random.hpp"
#include "core/ops/loss.hpp"

namespace convoy {

/// How far `x` lies below `max`, exp of which is the share that x has of the largest probability.
CONVOY_HOST_DEVICE inline double exponential(float x, float max) {
  return std::exp(static_cast<double>(x) - static_cast<double>(max));
}

struct Hinge {
  double margin, scale;
  bool squared;
  explicit Hinge(const LossSpec& s)
      : margin(static_cast<double>(s.margin)),
        scale(s.mean ? 1 / static_cast<double>(s.classes) : 1),
        squared(s.squared) {}

  /// By how much a class comes too near to the label's; NaN stays NaN.
  CONVOY_HOST_DEVICE double violation(float score, float score_of_label) const {
    const double z = static_cast<double>(score) - static_cast<double>(score_of_label) + margin;
    return z <= 0 ? 0 : z;
  }
  CONVOY_HOST_DEVICE double term(double z) const { return squared ? z * z : z; }
  /// z / z is 1, or NaN where z is.
  CONVOY_HOST_DEVICE double slope(double z) const { return z == 0 ? 0 : scale * (squared ? 2 * z : z / z); }
};

struct Mse {
  double classes;
  explicit Mse(const LossSpec& s) : classes(static_cast<double>(s.classes)) {}

  CONVOY_HOST_DEVICE double difference(float score, int64_t k, int32_t label) const {
    const double of_class = k == label ? 1 : 0;
    return static_cast<double>(score) - (classes == 1 ? static_cast<double>(label) : of_class);
  }
  CONVOY_HOST_DEVICE double slope(double difference) const { return 2 / classes * difference; }
};

}  // namespace convoy
