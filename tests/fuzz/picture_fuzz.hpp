// What the JPEG and PNG targets ask of decode_image().
#pragma once

#include <algorithm>
#include <span>

#include "io/image/decode.hpp"
#include "io/image/resize.hpp"
#include "tests/fuzz/targets.hpp"

namespace convoy::fuzz {

inline void decode_all_ways(std::string_view text) {
  const std::span bytes(reinterpret_cast<const std::byte*>(text.data()), text.size());
  ImageInfo info;
  read_or_refuse(ExitCode::data, "fuzz: ", [&] { info = image_info(bytes, "fuzz"); });
  require(info.height * info.width <= int64_t{1} << 28, "a picture over the limit", "");
  // What may be larger costs the same for each pixel, and would leave time for little else.
  if (info.height * info.width > int64_t{1} << 16) return;
  for (const DecodeOptions& options : {DecodeOptions{.channels = 3}, DecodeOptions{.channels = 1, .least_side = 4}}) {
    read_or_refuse(ExitCode::data, "fuzz: ", [&] {
      Image image, small;
      decode_image(bytes, "fuzz", options, image);
      require(image.pixels.size() == image.bytes() && image.channels == options.channels, "a wrong size", "");
      require(options.least_side > 0 || (image.height == info.height && image.width == info.width), "another size", "");
      resize(image, {.height = image.height, .width = image.width}, 5, 7, small);
      const auto [least, most] = std::ranges::minmax(image.pixels);
      for (const uint8_t level : small.pixels) require(level >= least && level <= most, "a new level", "");
    });
  }
}

}  // namespace convoy::fuzz
