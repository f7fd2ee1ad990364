// Loops over the contiguous channels of a pixel, and windows over an image, for CPU ops that go from pixel to pixel.
#pragma once

#include <algorithm>
#include <cstdint>

namespace convoy::cpu {

constexpr int64_t lanes = 16;

/// body(c) for every channel, in blocks that fill whole vectors: the last block ends with the last channel and so may
/// repeat some of the one before. The body must bear being run twice.
template <typename Body>
[[gnu::always_inline]] inline void over_channels(int64_t channels, const Body& body) {
  if (channels < lanes) {
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) body(c);
    return;
  }
  for (int64_t begin = 0;; begin = std::min(begin + lanes, channels - lanes)) {
#pragma omp simd simdlen(lanes)
    for (int64_t c = 0; c < lanes; ++c) body(begin + c);
    if (begin + lanes >= channels) return;
  }
}

/// body(c) for every channel, once.
template <typename Body>
[[gnu::always_inline]] inline void over_channels_once(int64_t channels, const Body& body) {
  int64_t begin = 0;
  for (; begin + lanes <= channels; begin += lanes) {
#pragma omp simd simdlen(lanes)
    for (int64_t c = 0; c < lanes; ++c) body(begin + c);
  }
#pragma omp simd
  for (int64_t c = begin; c < channels; ++c) body(c);
}

/// The part of a window that lies inside the image, along one side; its elements are `dilation` pixels apart.
struct WindowSpan {
  WindowSpan(int64_t output, int64_t stride, int64_t pad, int64_t kernel, int64_t dilation, int64_t size)
      : origin(output * stride - pad),
        begin((std::max<int64_t>(-origin, 0) + dilation - 1) / dilation),
        end(std::min(kernel, (size - origin + dilation - 1) / dilation)) {}
  int64_t origin;      // in the image, of the window's element 0; negative inside the padding
  int64_t begin, end;  // elements of the window
};

}  // namespace convoy::cpu
