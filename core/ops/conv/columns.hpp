// Images as the matrix that a convolution multiplies by its weights: a row for every output pixel (N,P,Q), in it what
// the kernel lies on, (groups, R, S, C/groups), and 0 where that is beyond the image's border.
#pragma once

#include "core/device/cuda.hpp"
#include "core/ops/conv.hpp"

namespace convoy {

class ConvColumns {
 public:
  ConvColumns(const Device& device, const ConvSpec& spec);

  /// The elements of a row, and of the rows of one image.
  int64_t row() const { return spec_.kernel.h * spec_.kernel.w * spec_.input[2]; }
  int64_t per_image() const { return spec_.output()[0] * spec_.output()[1] * row(); }

  /// Whether the images, as they lie, are that matrix already.
  bool are_images() const;

  /// At once at most as many images as have 2^31 elements, as columns or as they are.
  void gather(int64_t images, const float* x, float* columns) const;
  /// dx from the columns' gradient: every element is the sum of all its copies, taken in the order of (R, S).
  void add_up(int64_t images, const float* columns, float* dx, Write write) const;

 private:
  cudaStream_t stream_;
  ConvSpec spec_;
};

}  // namespace convoy
