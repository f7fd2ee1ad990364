// Made-up numbers that Python and C++ draw alike to the last bit: tests/golden/values.py in C++.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/memory/arena.hpp"

namespace convoy::golden {

/// Number i of a stream: the upper half of splitmix64.
inline uint32_t word(uint64_t stream, uint64_t i) {
  uint64_t x = i + stream * 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return static_cast<uint32_t>((x ^ (x >> 31)) >> 32);
}

/// FNV-1a of a parameter's name, so that each has numbers of its own.
inline uint64_t stream_of(std::string_view name) {
  uint64_t value = 0xCBF29CE484222325;
  for (const char c : name) value = (value ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  return value;
}

/// Weights as He et al. scale them, norms about 1, biases about 0; running averages are left as they are.
inline void initialise(const ParameterArena& arena) {
  for (const Segment& segment : arena.table().segments()) {
    if (!segment.is_parameter()) continue;
    const uint64_t stream = stream_of(segment.name);
    const bool bias = segment.name.ends_with("/bias"), norm = !bias && segment.shape.rank() == 1;
    const double fan_in = static_cast<double>(segment.shape.count()) / static_cast<double>(segment.shape[0]);
    const double bound = bias || norm ? 0.1 : std::sqrt(6 / fan_in);
    for (size_t i = 0; i < segment.count; ++i) {
      const double u = static_cast<double>(word(stream, i)) / 2147483648.0 - 1;
      arena.weights()[segment.offset + i] = static_cast<float>(bound * u + (norm ? 1 : 0));
    }
  }
}

struct Samples {
  std::vector<uint8_t> pixels;  // (count, H, W, C)
  std::vector<int32_t> labels;
};

/// Samples first .. first + count - 1: noise with a bright band of rows that tells the class; `noisy_labels` in 256
/// labels are drawn anew.
inline Samples samples(const Shape& image, int64_t classes, int64_t first, int64_t count, uint64_t seed = 0,
                       uint32_t noisy_labels = 0) {
  const int64_t h = image[0], row = image[1] * image[2], each = h * row;
  Samples out;
  for (int64_t n = first; n < first + count; ++n) {
    const auto draw = [&](int64_t k) { return word(1 + seed, static_cast<uint64_t>(n * 4 + k)); };
    const int64_t shown = draw(0) % classes;
    out.labels.push_back(static_cast<int32_t>(draw(1) % 256 < noisy_labels ? draw(2) % classes : shown));
    for (int64_t i = 0; i < each; ++i) {
      const uint32_t noise = (word((uint64_t{1} << 32) + seed, static_cast<uint64_t>(n * each + i)) >> 24) * 3 / 4;
      const bool bright = i / row * classes / h == shown;
      out.pixels.push_back(static_cast<uint8_t>(noise + (bright ? 60 : 0)));
    }
  }
  return out;
}

}  // namespace convoy::golden
