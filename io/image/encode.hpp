// Pixels to JPEG and PNG.
#pragma once

#include <cstddef>
#include <vector>

#include "io/image/image.hpp"

namespace convoy {

/// Grey or RGB by image.channels. `quality` as libjpeg's, 1 to 100.
std::vector<std::byte> encode_jpeg(const Image& image, int quality);
std::vector<std::byte> encode_png(const Image& image);

}  // namespace convoy
