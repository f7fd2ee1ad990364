// Fully connected layer: y = activation(x W^T + b).
#pragma once

#include <memory>
#include <string>

#include "core/ops/op.hpp"

namespace convoy {

struct FcSpec {
  int64_t inputs = 1;   // C
  int64_t outputs = 1;  // K
  bool bias = true;
  Activation activation = Activation::none;
  bool input_gradient = true;
};

/// The members mean what they mean in Conv.
class Fc {
 public:
  virtual ~Fc() = default;
  virtual size_t packed_bytes() const = 0;
  virtual void attach(void* packed) = 0;
  virtual size_t scratch_bytes() const = 0;

  /// weight (K, C)
  virtual void refresh_weights(const float* weight) = 0;
  /// y (N,K) from x (N,C) and bias (K)
  virtual void forward(const OpContext& context, const float* x, const float* bias, float* y) = 0;
  /// dx (N,C) from dy (N,K)
  virtual void backward_data(const OpContext& context, const float* dy, float* dx, Write write) = 0;
  /// Overwrites dweight (K,C) and dbias (K; may be null).
  virtual void backward_weights(const OpContext& context, const float* x, const float* dy, float* dweight,
                                float* dbias) = 0;
  virtual std::string algorithms() const = 0;
};

std::unique_ptr<Fc> make_fc(Device& device, const FcSpec& spec, const OpOptions& options);
std::unique_ptr<Fc> make_fc_cpu(Device& device, const FcSpec& spec, const OpOptions& options);
std::unique_ptr<Fc> make_fc_cuda(Device& device, const FcSpec& spec, const OpOptions& options);

}  // namespace convoy
