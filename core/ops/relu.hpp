// Rectified linear unit.
#pragma once

#include <memory>

#include "core/ops/op.hpp"

namespace convoy {

struct ReluSpec {
  int64_t count = 1;  // elements per image
};

class Relu {
 public:
  virtual ~Relu() = default;

  /// y = max(x, 0); NaN stays NaN. y may be x.
  virtual void forward(const OpContext& context, const float* x, float* y) = 0;

  /// dx = dy where y > 0, else 0. dx may be dy, unless it accumulates.
  virtual void backward(const OpContext& context, const float* y, const float* dy, float* dx, Write write) = 0;
};

std::unique_ptr<Relu> make_relu(Device& device, const ReluSpec& spec, const OpOptions& options);
std::unique_ptr<Relu> make_relu_cpu(Device& device, const ReluSpec& spec, const OpOptions& options);
std::unique_ptr<Relu> make_relu_cuda(Device& device, const ReluSpec& spec, const OpOptions& options);

}  // namespace convoy
