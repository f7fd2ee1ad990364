// A picture in memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace convoy {

/// uint8 (H,W,C), C 1 (grey) or 3 (RGB). Reused as a buffer: decoders resize `pixels` and keep its capacity.
struct Image {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> pixels;

  size_t bytes() const { return static_cast<size_t>(height * width * channels); }
};

}  // namespace convoy
