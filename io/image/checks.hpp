// What the decoders of JPEG and PNG share, private to io/image.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/image/image.hpp"

namespace convoy {

inline constexpr int64_t largest_picture = int64_t{1} << 28;  // pixels
inline constexpr int64_t longest_side = int64_t{1} << 20;     // buffers of one row stay small

/// Throws Error(data): "NAME: is a damaged FORMAT file (REASON); ...".
[[noreturn]] void fail_damaged(const std::string& name, std::string_view format, std::string_view reason);

/// Throws Error(data) for a side over 2^20, for more than 2^28 pixels, or for more than `encoded_bytes` can hold at
/// `pixels_a_byte`, the most that the format packs into one: a header alone must not cost memory.
void check_pixels(const std::string& name, std::string_view format, int64_t height, int64_t width,
                  uint64_t encoded_bytes, int64_t pixels_a_byte);

/// Grey of one RGB pixel: ITU-R BT.601 luma, as libjpeg's and Pillow's.
inline uint8_t luma(uint8_t r, uint8_t g, uint8_t b) {
  return static_cast<uint8_t>((uint32_t{r} * 19595 + uint32_t{g} * 38470 + uint32_t{b} * 7471 + 0x8000) >> 16);
}

/// RGB to grey, in place.
void to_grey(Image& image);

/// Throws Error(internal) unless there are pixels, 1 or 3 channels, as many as the shape says.
void check_image(const Image& image);

}  // namespace convoy
