// Elementwise activation functions: relu, leaky relu, sigmoid, tanh.
#pragma once

#include <memory>

#include "core/ops/op.hpp"

namespace convoy {

struct ActivationSpec {
  Activation function = Activation::relu;
  int64_t count = 1;  // elements per image
  float slope = 0;    // of leaky_relu left of 0; not negative
};

class ActivationOp {
 public:
  virtual ~ActivationOp() = default;

  /// y = f(x): max(x, 0); x > 0 ? x : slope x; 1 / (1 + exp(-x)); tanh(x). NaN stays NaN. y may be x.
  virtual void forward(const OpContext& context, const float* x, float* y) = 0;

  /// dx = dy f'(x), told from y: y > 0; y > 0 ? 1 : slope; y (1 - y); 1 - y^2. dx may be dy, unless it accumulates.
  virtual void backward(const OpContext& context, const float* y, const float* dy, float* dx, Write write) = 0;
};

std::unique_ptr<ActivationOp> make_activation(Device& device, const ActivationSpec& spec, const OpOptions& options);
std::unique_ptr<ActivationOp> make_activation_cpu(Device& device, const ActivationSpec& spec, const OpOptions& options);
std::unique_ptr<ActivationOp> make_activation_cuda(Device& device, const ActivationSpec& spec,
                                                   const OpOptions& options);

}  // namespace convoy
