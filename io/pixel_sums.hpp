// Exact sums over pixels: the mean and deviation of each channel, and the mean image. Integers throughout, so that the
// order in which pixels come changes nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace convoy {

/// Per channel, in pixel units.
class PixelSums {
 public:
  explicit PixelSums(int64_t channels);
  /// Pixels of one image or several, (..., C): their number is a multiple of the channels.
  void add(std::span<const uint8_t> pixels);
  /// Of each channel; 0 where nothing was added.
  std::vector<double> mean();
  std::vector<double> deviation();

 private:
  void flush();

  size_t channels_;
  uint64_t pixels_ = 0;                               // of one channel
  std::vector<uint64_t> sums_, squares_;              // of whole channels
  std::vector<uint32_t> block_sums_, block_squares_;  // of places in blocks: loops over these are vectors
  int64_t blocks_ = 0;                                // since the last flush
};

/// The mean of images of one size, place by place.
class MeanImage {
 public:
  explicit MeanImage(size_t image_bytes) : recent_(image_bytes), sums_(image_bytes) {}
  void add(std::span<const uint8_t> image);
  /// Rounded to float32; zeros where nothing was added.
  std::vector<float> mean();

 private:
  void flush();

  std::vector<uint32_t> recent_;
  std::vector<uint64_t> sums_;
  int64_t images_ = 0, unflushed_ = 0;
};

}  // namespace convoy
