// Local response normalisation: y = x s^-beta with s = k + alpha / (elements of the window) * sum of x^2 over a window.
//
// Across channels: n neighbouring channels of one pixel, A. Krizhevsky et al., 2012; alpha is divided by n, as Caffe,
// PyTorch and ONNX have it (the paper does not divide). Within a channel: n x n neighbouring pixels of one channel,
// Caffe's WITHIN_CHANNEL. What lies outside counts as zero.
#pragma once

#include <memory>

#include "core/ops/op.hpp"

namespace convoy {

struct LrnSpec {
  enum class Region : uint8_t { across, within };
  Shape input{};  // (H, W, C)
  int64_t n = 5;  // the window begins floor((n - 1) / 2) before its element, as ONNX has it for an even n
  float alpha = 1e-4f, beta = 0.75f, k = 1;
  Region region = Region::across;
};

class Lrn {
 public:
  virtual ~Lrn() = default;

  virtual size_t scratch_bytes() const = 0;

  /// y (N,H,W,C) from x.
  virtual void forward(const OpContext& context, const float* x, float* y) = 0;
  /// dx = dy s^-beta - 2 alpha beta / elements * x * sum over the window of (dy y / s). Takes y and s anew from x, so
  /// that neither has to be kept.
  virtual void backward(const OpContext& context, const float* x, const float* dy, float* dx, Write write) = 0;
};

std::unique_ptr<Lrn> make_lrn(Device& device, const LrnSpec& spec, const OpOptions& options);
std::unique_ptr<Lrn> make_lrn_cpu(Device& device, const LrnSpec& spec, const OpOptions& options);
std::unique_ptr<Lrn> make_lrn_cuda(Device& device, const LrnSpec& spec, const OpOptions& options);

}  // namespace convoy
