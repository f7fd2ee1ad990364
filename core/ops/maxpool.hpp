// Max pooling over NHWC images; padding counts as minus infinity.
#pragma once

#include <memory>

#include "core/ops/op.hpp"

namespace convoy {

struct MaxPoolSpec {
  Shape input{};   // (H, W, C)
  Shape output{};  // (P, Q, C); the caller has settled the rounding
  Extent2 kernel{}, stride{}, dilation{1, 1};
  Padding padding{};
  // The input is a relu's output and backward applies relu's gradient too: nothing is passed where the largest is not
  // positive.
  bool masks_relu = false;
};

/// What max pooling needs, for no window's largest would be known. Wherever the padding is smaller than the window it
/// fails only if a window's elements are so far apart that they lie on both sides of the image.
bool every_window_holds_a_pixel(const MaxPoolSpec& spec);

class MaxPool {
 public:
  virtual ~MaxPool() = default;

  /// Bytes of `argmax`, which forward writes when training and backward reads.
  virtual size_t argmax_bytes() const = 0;

  /// y (N,P,Q,C) from x (N,H,W,C). Ties go to the first in row-major order; NaN wins. argmax is null at inference.
  virtual void forward(const OpContext& context, const float* x, float* y, void* argmax) = 0;

  /// dx (N,H,W,C) from dy (N,P,Q,C).
  virtual void backward(const OpContext& context, const float* dy, const void* argmax, float* dx, Write write) = 0;
};

/// Throws Error(usage) for a kernel of more than 255 elements: argmax is kept in a byte, and 255 means nowhere.
std::unique_ptr<MaxPool> make_maxpool(Device& device, const MaxPoolSpec& spec, const OpOptions& options);
std::unique_ptr<MaxPool> make_maxpool_cpu(Device& device, const MaxPoolSpec& spec, const OpOptions& options);
std::unique_ptr<MaxPool> make_maxpool_cuda(Device& device, const MaxPoolSpec& spec, const OpOptions& options);

}  // namespace convoy
