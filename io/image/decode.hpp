// Encoded pictures to pixels: JPEG and PNG, told apart by their first bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "io/image/image.hpp"

namespace convoy {

enum class ImageFormat { jpeg, png };

struct DecodeOptions {
  int64_t channels = 3;  // 1: grey; 3: RGB, whatever the file holds (grey, CMYK, palette, alpha)
  /// JPEG only: the shorter side to which the picture will be resized, or 0. May then decode at 1/2, 1/4 or 1/8 (in the
  /// DCT, at a fraction of the cost), as long as the shorter side stays twice that, where both sides divide by it:
  /// otherwise fine detail shows the difference, and a rounded side shifts what is resized.
  int64_t least_side = 0;
};

/// What a file's header says, without decoding it.
struct ImageInfo {
  ImageFormat format = ImageFormat::jpeg;
  int64_t height = 0, width = 0, channels = 0;
};

/// Throw Error(data) "NAME: ..." for what is no JPEG or PNG (saying what it looks like: HTML, GIF, empty, ...), is
/// damaged, cut off, or larger than 2^28 pixels; libjpeg's and libpng's own words are part of the message. `name` tells
/// where the bytes come from. CMYK is taken as inverted, as Adobe writes it, and of 16 bits the upper 8 count; EXIF's
/// orientation and colour profiles are not applied. Memory: 3 bytes a pixel of the result, and for a progressive JPEG 6
/// a pixel of the file.
ImageInfo image_info(std::span<const std::byte> encoded, const std::string& name);
void decode_image(std::span<const std::byte> encoded, const std::string& name, const DecodeOptions& options,
                  Image& image);

}  // namespace convoy
