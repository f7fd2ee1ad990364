// Average pooling over NHWC images.
#pragma once

#include <memory>

#include "core/ops/op.hpp"

namespace convoy {

/// What a window's sum is divided by.
enum class PoolDivisor : uint8_t {
  counted,  // its elements inside the image or the padding; what overhangs the padded border does not count
  inside,   // its elements inside the image only
};

struct AvgPoolSpec {
  Shape input{};   // (H, W, C)
  Shape output{};  // (P, Q, C); the caller has settled the rounding
  Extent2 kernel{}, stride{};
  Padding padding{};  // smaller than the kernel, so that every window holds a pixel
  PoolDivisor divisor = PoolDivisor::counted;
};

class AvgPool {
 public:
  virtual ~AvgPool() = default;
  /// y (N,P,Q,C) from x (N,H,W,C).
  virtual void forward(const OpContext& context, const float* x, float* y) = 0;
  /// dx (N,H,W,C) from dy (N,P,Q,C).
  virtual void backward(const OpContext& context, const float* dy, float* dx, Write write) = 0;
};

std::unique_ptr<AvgPool> make_avgpool(Device& device, const AvgPoolSpec& spec, const OpOptions& options);
std::unique_ptr<AvgPool> make_avgpool_cpu(Device& device, const AvgPoolSpec& spec, const OpOptions& options);
std::unique_ptr<AvgPool> make_avgpool_cuda(Device& device, const AvgPoolSpec& spec, const OpOptions& options);

}  // namespace convoy
