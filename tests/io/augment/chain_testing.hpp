// What the tests of augmentations share: a made-up picture, a chain applied to it, and pictures changed pixel by pixel.
#pragma once

#include <cmath>
#include <functional>
#include <vector>

#include "io/augment/augmentation.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {

/// No two pixels alike (up to 65,536 of them), in the first two channels where there are so many.
inline Image noise_picture(int64_t height, int64_t width, int64_t channels = 3) {
  Image image{.height = height, .width = width, .channels = channels};
  for (int64_t i = 0; i < height * width; ++i) {
    for (int64_t c = 0; c < channels; ++c) {
      image.pixels.push_back(static_cast<uint8_t>(c == 0 ? i % 251 : c == 1 ? i / 251 : i * 7 % 256));
    }
  }
  return image;
}

inline uint8_t at(const Image& image, int64_t y, int64_t x, int64_t c) {
  return image.pixels[static_cast<size_t>((y * image.width + x) * image.channels + c)];
}

/// The picture whose pixel (y, x, c) is `value`.
inline Image picture_of(int64_t height, int64_t width, int64_t channels,
                        const std::function<int(int64_t y, int64_t x, int64_t c)>& value) {
  Image image{.height = height, .width = width, .channels = channels};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < channels; ++c) image.pixels.push_back(static_cast<uint8_t>(value(y, x, c)));
    }
  }
  return image;
}

/// A crop by its definition: one pixel after another, `fill` where there is none.
inline Image cropped(const Image& from, const Box& box, int fill = 0) {
  return picture_of(box.height, box.width, from.channels, [&](int64_t y, int64_t x, int64_t c) {
    const int64_t from_y = box.top + y, from_x = box.left + x;
    const bool there = from_y >= 0 && from_y < from.height && from_x >= 0 && from_x < from.width;
    return there ? at(from, from_y, from_x, c) : fill;
  });
}

inline Image mirrored(const Image& from) {
  return picture_of(from.height, from.width, from.channels,
                    [&](int64_t y, int64_t x, int64_t c) { return at(from, y, from.width - 1 - x, c); });
}

/// What a chain makes of a picture at a position of the run.
inline Image applied(const Augmentation& chain, const Image& picture, int64_t position, uint64_t seed = 1) {
  CanvasBuffers buffers;
  Canvas canvas(picture, buffers);
  chain.apply(canvas, RandomStream(seed, RandomPurpose::augment, static_cast<uint64_t>(position)));
  Image out{.height = canvas.size().height, .width = canvas.size().width, .channels = canvas.channels()};
  out.pixels.resize(out.bytes());
  canvas.write(out.pixels.data());
  return out;
}

inline Image applied(const std::string& chain, const Image& picture, int64_t position = 0, uint64_t seed = 1) {
  return applied(Augmentation("augment", chain), picture, position, seed);
}

/// As a key of a map.
inline std::string text_of(const Image& image) {
  return {image.pixels.begin(), image.pixels.end()};
}

inline bool operator==(const Image& a, const Image& b) {
  return a.height == b.height && a.width == b.width && a.channels == b.channels && a.pixels == b.pixels;
}

/// Counts of equally likely outcomes: chi-square lies within five deviations of its mean.
inline void expect_even(const std::vector<int64_t>& counts) {
  double total = 0, chi2 = 0;
  for (const int64_t count : counts) total += static_cast<double>(count);
  const double expected = total / static_cast<double>(counts.size());
  for (const int64_t count : counts) {
    chi2 += (static_cast<double>(count) - expected) * (static_cast<double>(count) - expected) / expected;
  }
  const auto degrees = static_cast<double>(counts.size() - 1);
  EXPECT_LT(chi2, degrees + 5 * std::sqrt(2 * degrees));
}

}  // namespace convoy
