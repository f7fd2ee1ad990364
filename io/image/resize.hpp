// Resampling with a filter that widens as the picture shrinks, so that nothing aliases.
#pragma once

#include "io/image/image.hpp"

namespace convoy {

/// A rectangle of a picture, in pixels.
struct Box {
  int64_t top = 0, left = 0, height = 0, width = 0;
};

/// `from`'s part `box`, resampled to height x width into `to` (another object): separable triangle filter of support
/// max(1, scale), as Pillow's and torchvision's antialiased BILINEAR of the part cut out first (so nothing outside the
/// box is seen), rounded once. Vectorised; the bits do not depend on the machine. Throws Error(data) for a result of
/// more than 2^28 pixels.
void resize(const Image& from, const Box& box, int64_t height, int64_t width, Image& to);

/// The whole picture so that its shorter side is `side`, the other to scale (rounded down, as torchvision's Resize).
void resize_shorter_side(const Image& from, int64_t side, Image& to);

/// The box of the given size in the middle, offsets rounded as torchvision's CenterCrop (half to even). Throws
/// Error(data) where the picture is smaller.
Box centre_box(const Image& image, int64_t height, int64_t width);

}  // namespace convoy
