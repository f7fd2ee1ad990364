// The loops of the augmentations over bytes of pixels.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace convoy {

/// `width` pixels of `pixel_bytes` bytes, the last one first.
void mirror_row(const std::byte* from, int64_t width, size_t pixel_bytes, std::byte* to);

/// RGB pixels plus one number per channel, in [-255, 255], with saturation.
void add_to_channels(uint8_t* pixels, int64_t count, const std::array<int, 3>& added);

/// Every byte v to ratio v + rest, cut to [0, 255], rounded down.
void blend_with_level(uint8_t* bytes, int64_t count, float ratio, float rest);

/// The sum of the RGB pixels' grey levels (grey_level).
int64_t sum_of_grey(const uint8_t* pixels, int64_t count);

/// RGB pixels v to ratio v + (1 - ratio) grey_level, cut to [0, 255], rounded down.
void blend_with_grey(uint8_t* pixels, int64_t count, float ratio, float rest);

/// torchvision's rgb_to_grayscale: fp32, rounded down.
inline uint8_t grey_level(const uint8_t* rgb) {
  return static_cast<uint8_t>(0.2989f * static_cast<float>(rgb[0]) + 0.587f * static_cast<float>(rgb[1]) +
                              0.114f * static_cast<float>(rgb[2]));
}

}  // namespace convoy
