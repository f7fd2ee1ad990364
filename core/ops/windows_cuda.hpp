// Windows of pooling in CUDA kernels, along one side of the image.
#pragma once

#include "core/ops/packs_cuda.hpp"

namespace convoy::cuda {

/// The part of a window that lies inside the image: elements [begin, end), of which element e is pixel
/// origin + e * dilation.
struct WindowPart {
  int32_t origin, begin, end;

  __device__ int32_t nearest(int32_t element) const {
    return element < begin ? begin : element >= end ? end - 1 : element;
  }
};

class WindowSide {
 public:
  WindowSide(int64_t input, int64_t output, int64_t kernel, int64_t stride, int64_t dilation, int64_t before,
             int64_t after)
      : input_(static_cast<int32_t>(input)),
        output_(static_cast<int32_t>(output)),
        kernel_(static_cast<int32_t>(kernel)),
        before_(static_cast<int32_t>(before)),
        after_(static_cast<int32_t>(after)),
        stride_(std::min(stride, far)),
        dilation_(std::min(dilation, far)) {}

  __device__ WindowPart part(int32_t window) const {
    const int32_t origin = window * stride() - before_, pixels = input_ - origin;
    return {origin, origin < 0 ? elements_in(-origin) : 0, pixels > reach() ? kernel_ : elements_in(pixels)};
  }

  /// f(window, element) for the windows that hold the pixel, from the last one on: it is their element's.
  template <typename Function>
  __device__ void holders(int32_t pixel, const Function& f) const {
    const int32_t at = pixel + before_;
    const auto last = static_cast<int32_t>(stride_.quotient(static_cast<uint32_t>(at)));
    for (int32_t window = last < output_ ? last : output_ - 1; window >= 0; --window) {
      const int32_t offset = at - window * stride();
      if (offset > reach()) return;
      const auto element = static_cast<int32_t>(dilation_.quotient(static_cast<uint32_t>(offset)));
      if (element * dilation() == offset) f(window, element);
    }
  }

  /// Elements of an undilated window inside the image, or inside the padded image.
  __device__ int32_t counted(int32_t window, bool inside_only) const {
    const int32_t origin = window * stride() - before_, end = input_ + (inside_only ? 0 : after_);
    const int32_t begin = inside_only && origin < 0 ? 0 : origin;
    return (origin + kernel_ < end ? origin + kernel_ : end) - begin;
  }

  int32_t output() const { return output_; }
  __device__ int32_t dilation() const { return static_cast<int32_t>(dilation_.divisor()); }

 private:
  // No image is so large: a greater step leads out of it as well, and this one's sums fit 32 bits.
  static constexpr int64_t far = int64_t{1} << 30;

  __device__ int32_t stride() const { return static_cast<int32_t>(stride_.divisor()); }
  /// Pixels from a window's first element to its last.
  __device__ int32_t reach() const { return (kernel_ - 1) * dilation(); }
  __device__ int32_t elements_in(int32_t pixels) const {
    return static_cast<int32_t>(dilation_.quotient(static_cast<uint32_t>(pixels + dilation() - 1)));
  }

  int32_t input_, output_, kernel_, before_, after_;
  FastDivision stride_, dilation_;
};

}  // namespace convoy::cuda
