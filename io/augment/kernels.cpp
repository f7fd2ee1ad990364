// See kernels.hpp. Nothing here contracts to FMA (-ffp-contract=off), so that every machine gives the same bits.
#include "io/augment/kernels.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/isa.hpp"

namespace convoy {
namespace {

using Bytes16 = uint8_t __attribute__((vector_size(16)));

/// Five RGB pixels at a time, as long as a sixth follows: loads and stores are of 16 bytes.
CONVOY_ISA_CLONES void mirror_rgb(const std::byte* from, int64_t width, std::byte* to) {
  int64_t x = 0;
  for (; x + 5 < width; x += 5) {
    Bytes16 v;
    std::memcpy(&v, from + 3 * (width - x - 5) - 1, sizeof v);
    v = __builtin_shufflevector(v, v, 13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, 0);
    std::memcpy(to + 3 * x, &v, sizeof v);
  }
  for (; x < width; ++x) std::memcpy(to + 3 * x, from + 3 * (width - 1 - x), 3);
}

CONVOY_ISA_CLONES void mirror_bytes(const std::byte* from, int64_t width, std::byte* __restrict to) {
  for (int64_t x = 0; x < width; ++x) to[x] = from[width - 1 - x];
}

constexpr int64_t pattern_bytes = 96;  // whole pixels, and whole vectors

CONVOY_ISA_CLONES void add_pattern(uint8_t* bytes, int64_t count, const int16_t* pattern) {
  const auto add = [&](uint8_t* at, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      const auto sum = static_cast<int16_t>(static_cast<int16_t>(at[i]) + pattern[i]);
      at[i] = static_cast<uint8_t>(std::clamp<int16_t>(sum, 0, 255));
    }
  };
  int64_t at = 0;
  for (; at + pattern_bytes <= count; at += pattern_bytes) add(bytes + at, pattern_bytes);
  add(bytes + at, count - at);
}

CONVOY_ISA_CLONES void scale_bytes(uint8_t* bytes, int64_t count, float ratio, float rest) {
  for (int64_t i = 0; i < count; ++i) {
    const float sum = ratio * static_cast<float>(bytes[i]) + rest;
    // By way of an int, which compilers turn into vectors; the sum is never NaN.
    bytes[i] = static_cast<uint8_t>(static_cast<int>(std::min(std::max(sum, 0.0f), 255.0f)));
  }
}

CONVOY_ISA_CLONES int64_t sum_grey(const uint8_t* pixels, int64_t count) {
  int64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += grey_level(pixels + 3 * i);
  return sum;
}

CONVOY_ISA_CLONES void blend(uint8_t* pixels, int64_t count, float ratio, float rest) {
  for (int64_t i = 0; i < count; ++i) {
    uint8_t* pixel = pixels + 3 * i;
    const float grey = rest * static_cast<float>(grey_level(pixel));
    for (int c = 0; c < 3; ++c) {
      const float sum = ratio * static_cast<float>(pixel[c]) + grey;
      pixel[c] = static_cast<uint8_t>(static_cast<int>(std::min(std::max(sum, 0.0f), 255.0f)));
    }
  }
}

}  // namespace

void mirror_row(const std::byte* from, int64_t width, size_t pixel_bytes, std::byte* to) {
  if (pixel_bytes == 3) return mirror_rgb(from, width, to);
  if (pixel_bytes == 1) return mirror_bytes(from, width, to);
  for (int64_t x = 0; x < width; ++x) {
    std::memcpy(to + static_cast<size_t>(x) * pixel_bytes, from + static_cast<size_t>(width - 1 - x) * pixel_bytes,
                pixel_bytes);
  }
}

void add_to_channels(uint8_t* pixels, int64_t count, const std::array<int, 3>& added) {
  std::array<int16_t, pattern_bytes> pattern;
  for (size_t i = 0; i < pattern.size(); ++i) pattern[i] = static_cast<int16_t>(added[i % 3]);
  add_pattern(pixels, 3 * count, pattern.data());
}

void blend_with_level(uint8_t* bytes, int64_t count, float ratio, float rest) {
  scale_bytes(bytes, count, ratio, rest);
}

int64_t sum_of_grey(const uint8_t* pixels, int64_t count) {
  return sum_grey(pixels, count);
}

void blend_with_grey(uint8_t* pixels, int64_t count, float ratio, float rest) {
  blend(pixels, count, ratio, rest);
}

}  // namespace convoy
