// A picture on its way through a chain: crops and flips are only noted, and done in one pass when the pixels are
// needed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "io/augment/words.hpp"
#include "io/image/image.hpp"
#include "io/image/resize.hpp"

namespace convoy {

/// What a thread keeps from picture to picture, so that nothing is allocated.
struct CanvasBuffers {
  Image picture[2];
};

/// Which pixels of a picture are seen: `box`, of which only what lies in `valid` is there, mirrored or not.
struct PictureView {
  Box box, valid;
  bool flipped = false;

  void crop(const Box& part);  // in this view's own coordinates; may reach beyond its borders
  void flip() { flipped = !flipped; }
  /// Whether all pixels seen are there.
  bool filled() const;
  /// `part` of this view in the picture's coordinates.
  Box in_picture(const Box& part) const;
};

class Canvas {
 public:
  /// A picture of uint8, whose pixels stay as they are.
  Canvas(const Image& picture, CanvasBuffers& buffers);
  /// A picture of fp32 (H,W,C): it can be cropped and flipped only.
  Canvas(const float* pixels, PictureSize size, int64_t channels, CanvasBuffers& buffers);

  PictureSize size() const { return {view_.box.height, view_.box.width}; }
  int64_t channels() const { return channels_; }

  /// `part` may reach beyond the borders, where pixels are `fill` (fp32: 0, whatever `fill` says).
  void crop(const Box& part, uint8_t fill = 0);
  void flip();
  /// `part` resampled to `size`; it lies within the picture.
  void resize(const Box& part, PictureSize size);
  /// The pixels (H,W,C), to be changed in place; uint8 only.
  uint8_t* pixels();

  /// Writes the picture (H,W,C) to `out`, in the dtype that it had.
  void write(void* out) const;
  /// Writes uint8 pixels as fp32 less `mean` (H,W,C of the original picture) at the place where each came from; where
  /// there was none, 0. Without resize() only.
  void write_without_mean(const float* mean, PictureSize mean_size, float* out);

 private:
  void start(const Image& picture);
  Image& spare() const { return buffers_.picture[source_ == buffers_.picture ? 1 : 0]; }

  CanvasBuffers& buffers_;
  const Image* source_ = nullptr;  // where pixels_ are, of uint8
  const std::byte* pixels_ = nullptr;
  size_t pixel_bytes_ = 0;
  int64_t channels_ = 0;
  PictureSize source_size_;
  PictureView view_;    // of the source
  PictureView origin_;  // of the original picture, whatever was copied since
  uint8_t fill_ = 0;
};

}  // namespace convoy
