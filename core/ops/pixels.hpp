// From stored pixels to the network's numbers: x = (pixel - mean) * scale, per channel.
#pragma once

#include <memory>
#include <vector>

#include "core/ops/op.hpp"

namespace convoy {

struct PixelsSpec {
  Shape input{};               // (H, W, C)
  DType dtype = DType::u8;     // of the stored pixels: u8 or f32
  std::vector<float> mean{};   // one per channel
  std::vector<float> scale{};  // one per channel
};

class Pixels {
 public:
  virtual ~Pixels() = default;
  /// y (N,H,W,C) fp32 from pixels (N,H,W,C) of the spec's dtype.
  virtual void forward(const OpContext& context, const void* pixels, float* y) = 0;
};

std::unique_ptr<Pixels> make_pixels(Device& device, const PixelsSpec& spec, const OpOptions& options);
std::unique_ptr<Pixels> make_pixels_cpu(Device& device, const PixelsSpec& spec, const OpOptions& options);
std::unique_ptr<Pixels> make_pixels_cuda(Device& device, const PixelsSpec& spec, const OpOptions& options);

}  // namespace convoy
