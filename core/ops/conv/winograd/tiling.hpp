// How Winograd's algorithm cuts images into tiles, and where a tile's pixels lie.
#pragma once

#include <cstdint>

#include "core/ops/conv.hpp"
#include "core/ops/conv/kernels.hpp"

namespace convoy::winograd {

/// A convolution of stride 1 with a square kernel, as Winograd's algorithm sees it: backward data is one too, with the
/// images exchanged and the weights mirrored.
struct Problem {
  Shape input, output;        // (H, W, C), (P, Q, K)
  int64_t top = 0, left = 0;  // padding; where negative, pixels of the input are passed over
  int64_t groups = 1;
  int64_t batch = 1;

  int64_t group_inputs() const { return input[2] / groups; }
  int64_t group_outputs() const { return output[2] / groups; }
};

inline Problem forward_problem(const ConvSpec& spec, int64_t batch) {
  return {spec.input, spec.output(), spec.padding.top, spec.padding.left, spec.groups, batch};
}

inline Problem backward_data_problem(const ConvSpec& spec, int64_t batch) {
  return {spec.output(), spec.input, spec.kernel.h - 1 - spec.padding.top, spec.kernel.w - 1 - spec.padding.left,
          spec.groups,   batch};
}

/// Tiles are numbered through the batch, image by image and row by row.
class Tiling {
 public:
  Tiling(const Problem& problem, const WinogradKernels& kernels)
      : problem_(problem),
        kernels_(kernels),
        rows_((problem.output[0] + kernels.outputs - 1) / kernels.outputs),
        columns_((problem.output[1] + kernels.outputs - 1) / kernels.outputs) {}

  int64_t tiles() const { return problem_.batch * rows_ * columns_; }

  /// The pixels of channel `channel` that a tile reads, row by row; `outside` where it reaches beyond the image.
  void input_pixels(int64_t tile, const float* images, int64_t channel, const float* outside,
                    const float** pixels) const {
    square(tile, images, problem_.input, problem_.top, problem_.left, kernels_.inputs(), channel, outside, pixels);
  }
  /// The pixels that it writes (or whose gradients it reads); `outside` likewise.
  template <typename Value>
  void output_pixels(int64_t tile, Value* images, int64_t channel, Value* outside, Value** pixels) const {
    square(tile, images, problem_.output, 0, 0, kernels_.outputs, channel, outside, pixels);
  }

 private:
  template <typename Value>
  void square(int64_t tile, Value* images, const Shape& image, int64_t top, int64_t left, int side, int64_t channel,
              Value* outside, Value** pixels) const {
    const int64_t n = tile / (rows_ * columns_), in_image = tile % (rows_ * columns_);
    const int64_t first_row = in_image / columns_ * kernels_.outputs - top;
    const int64_t first_column = in_image % columns_ * kernels_.outputs - left;
    for (int64_t row = first_row; row < first_row + side; ++row) {
      const bool row_inside = row >= 0 && row < image[0];
      Value* start = images + (n * image[0] + row) * image[1] * image[2] + channel;
      for (int64_t column = first_column; column < first_column + side; ++column) {
        const bool inside = row_inside && column >= 0 && column < image[1];
        *pixels++ = inside ? start + column * image[2] : outside;
      }
    }
  }

  Problem problem_;
  WinogradKernels kernels_;
  int64_t rows_, columns_;  // of tiles, in one image
};

/// A buffer of rows of channels, one row per tile (or per filter) and position. Rows and positions are an odd number of
/// vectors apart where they are long: powers of two would have all of a tile's positions compete for one cache set.
struct Rows {
  int64_t row = 0, position = 0;  // floats from one to the next
  Rows(int64_t channels, int64_t rows) {
    row = (channels + 15) / 16 * 16;
    if (row >= 128 && row % 32 == 0) row += 16;
    position = rows * row;
    if (position % 32 == 0) position += 16;
  }
  size_t bytes(int64_t positions) const { return static_cast<size_t>(positions * position) * sizeof(float); }
};

constexpr int max_positions = 64;

}  // namespace convoy::winograd
