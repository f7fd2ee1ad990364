// The sum of several tensors of one shape.
#pragma once

#include <memory>
#include <span>

#include "core/ops/op.hpp"

namespace convoy {

struct AddSpec {
  int64_t count = 1;                         // elements per image
  Activation activation = Activation::none;  // applied to the sum; none or relu
};

class Add {
 public:
  virtual ~Add() = default;
  /// y = activation(x[0] + x[1] + ...) of two or more tensors, added in this order. y may be x[0], if it is none of
  /// x[2] and later.
  virtual void forward(const OpContext& context, std::span<const float* const> x, float* y) = 0;
  /// dx = dy (the gradient before the activation), the same for every input; nothing happens where dx is dy and
  /// overwrites.
  virtual void backward(const OpContext& context, const float* dy, float* dx, Write write) = 0;
};

std::unique_ptr<Add> make_add(Device& device, const AddSpec& spec, const OpOptions& options);
std::unique_ptr<Add> make_add_cpu(Device& device, const AddSpec& spec, const OpOptions& options);
std::unique_ptr<Add> make_add_cuda(Device& device, const AddSpec& spec, const OpOptions& options);

}  // namespace convoy
