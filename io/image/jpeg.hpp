// JPEG by libjpeg-turbo, private to io/image. Which of libjpeg's warnings mean lost pixels stands in jpeg.cpp.
#pragma once

#include "io/image/decode.hpp"

namespace convoy {

ImageInfo jpeg_info(std::span<const std::byte> encoded, const std::string& name);
void decode_jpeg(std::span<const std::byte> encoded, const std::string& name, const DecodeOptions& options,
                 Image& image);

}  // namespace convoy
