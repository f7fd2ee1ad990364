// 2-D convolution (cross-correlation, as every framework has it) over NHWC images.
#pragma once

#include <memory>
#include <string>

#include "core/ops/op.hpp"

namespace convoy {

struct ConvSpec {
  Shape input{};        // (H, W, C), per image
  int64_t filters = 1;  // K
  Extent2 kernel{}, stride{}, dilation{};
  Padding padding{};
  int64_t groups = 1;
  bool bias = true;
  Activation activation = Activation::none;  // applied to the output of forward
  bool input_gradient = true;                // false for the first layer: backward_data is never called
  bool accumulates = true;                   // false: backward_data is never called with Write::accumulate

  /// (P, Q, K), the output per image: P = floor((H + top + bottom - dilation (R - 1) - 1) / stride) + 1.
  Shape output() const;
  /// (K, R, S, C / groups)
  Shape weight() const { return {filters, kernel.h, kernel.w, input[2] / groups}; }
};

class Conv {
 public:
  virtual ~Conv() = default;

  /// Bytes of the private weight layout; the caller gives them once by attach(), before anything else is called.
  virtual size_t packed_bytes() const = 0;
  virtual void attach(void* packed) = 0;
  virtual size_t scratch_bytes() const = 0;

  /// Takes over new weights (K,R,S,C/groups). Called by one thread, with no other call under way.
  virtual void refresh_weights(const float* weight) = 0;

  /// y (N,P,Q,K) = activation(x (N,H,W,C) * weight + bias (K)). bias is null when the spec has none.
  virtual void forward(const OpContext& context, const float* x, const float* bias, float* y) = 0;

  /// dx (N,H,W,C) from dy (N,P,Q,K), which already is the gradient before the activation.
  virtual void backward_data(const OpContext& context, const float* dy, float* dx, Write write) = 0;

  /// Overwrites dweight (K,R,S,C/groups) and dbias (K; null when the spec has none).
  virtual void backward_weights(const OpContext& context, const float* x, const float* dy, float* dweight,
                                float* dbias) = 0;

  /// The implementations picked, for people: "forward jit:avx512_core, ...".
  virtual std::string algorithms() const = 0;
};

/// Throws Error(internal) if a pass would run on the library's unoptimised reference code.
std::unique_ptr<Conv> make_conv(Device& device, const ConvSpec& spec, const OpOptions& options);
std::unique_ptr<Conv> make_conv_cpu(Device& device, const ConvSpec& spec, const OpOptions& options);
std::unique_ptr<Conv> make_conv_cuda(Device& device, const ConvSpec& spec, const OpOptions& options);

}  // namespace convoy
