// A convolution's geometry as its CUDA kernels need it: in 32 bits, and with divisions prepared.
#pragma once

#include "core/device/fast_division.hpp"
#include "core/ops/conv.hpp"

namespace convoy {

struct ConvGeometry {
  explicit ConvGeometry(const ConvSpec& spec)
      : height(static_cast<int>(spec.input[0])),
        width(static_cast<int>(spec.input[1])),
        p(static_cast<int>(spec.output()[0])),
        q(static_cast<int>(spec.output()[1])),
        r(static_cast<int>(spec.kernel.h)),
        s(static_cast<int>(spec.kernel.w)),
        stride_h(static_cast<int>(spec.stride.h)),
        stride_w(static_cast<int>(spec.stride.w)),
        dilation_h(static_cast<int>(spec.dilation.h)),
        dilation_w(static_cast<int>(spec.dilation.w)),
        top(static_cast<int>(spec.padding.top)),
        left(static_cast<int>(spec.padding.left)),
        by_height(height),
        by_width(width),
        by_p(p),
        by_q(q),
        by_r(r),
        by_s(s),
        by_stride_h(stride_h),
        by_stride_w(stride_w) {}

  /// Where the kernel's row r lies on the image for the output row p; beyond the image where the padding is.
  CONVOY_HOST_DEVICE int input_row(int output_row, int tap) const {
    return output_row * stride_h - top + tap * dilation_h;
  }
  CONVOY_HOST_DEVICE int input_column(int output_column, int tap) const {
    return output_column * stride_w - left + tap * dilation_w;
  }
  CONVOY_HOST_DEVICE bool inside(int row, int column) const {
    return row >= 0 && row < height && column >= 0 && column < width;
  }

  /// The output row for which the kernel's row `tap` lies on an image's row, or -1.
  CONVOY_HOST_DEVICE int output_row(int row, int tap) const { return at(row + top - tap * dilation_h, by_stride_h, p); }
  CONVOY_HOST_DEVICE int output_column(int column, int tap) const {
    return at(column + left - tap * dilation_w, by_stride_w, q);
  }

  /// The number of a pixel among those of all images.
  CONVOY_HOST_DEVICE uint32_t input_pixel(uint32_t image, int row, int column) const {
    return (image * static_cast<uint32_t>(height) + static_cast<uint32_t>(row)) * static_cast<uint32_t>(width) +
           static_cast<uint32_t>(column);
  }
  CONVOY_HOST_DEVICE uint32_t output_pixel(uint32_t image, int row, int column) const {
    return (image * static_cast<uint32_t>(p) + static_cast<uint32_t>(row)) * static_cast<uint32_t>(q) +
           static_cast<uint32_t>(column);
  }

  int height, width, p, q, r, s, stride_h, stride_w, dilation_h, dilation_w, top, left;
  cuda::FastDivision by_height, by_width, by_p, by_q, by_r, by_s, by_stride_h, by_stride_w;

 private:
  CONVOY_HOST_DEVICE static int at(int place, const cuda::FastDivision& stride, int outputs) {
    if (place < 0) return -1;
    auto output = static_cast<uint32_t>(place);
    const uint32_t beside = stride.split(output);
    return beside == 0 && static_cast<int>(output) < outputs ? static_cast<int>(output) : -1;
  }
};

}  // namespace convoy
