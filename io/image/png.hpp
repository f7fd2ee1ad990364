// PNG by libpng, private to io/image.
#pragma once

#include "io/image/decode.hpp"

namespace convoy {

ImageInfo png_info(std::span<const std::byte> encoded, const std::string& name);
void decode_png(std::span<const std::byte> encoded, const std::string& name, const DecodeOptions& options,
                Image& image);

}  // namespace convoy
