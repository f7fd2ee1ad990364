// Exact sums over pixels: the mean and deviation of each channel, and the mean image. Integers throughout, so that the
// order in which pixels come changes nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace convoy {

/// What all pixels of some images sum up to. Those of several shards add up to those of a dataset, whatever the shards.
struct PixelTotals {
  uint64_t count = 0;                   // pixels of one channel; 0: nothing is known
  std::vector<uint64_t> sums, squares;  // (C)

  void add(const PixelTotals& others);
  /// Whether uint8 pixels of `channels` channels can sum up to this.
  bool plausible(int64_t channels) const;
  /// Per channel, in pixel units; 0 of no pixels.
  std::vector<double> mean() const;
  std::vector<double> deviation() const;
  bool operator==(const PixelTotals&) const = default;
};

class PixelSums {
 public:
  explicit PixelSums(int64_t channels);
  /// Pixels of one image or several, (..., C): their number is a multiple of the channels.
  void add(std::span<const uint8_t> pixels);
  const PixelTotals& totals();

 private:
  void flush();

  size_t channels_;
  PixelTotals totals_;
  std::vector<uint32_t> block_sums_, block_squares_;  // of places in blocks: loops over these are vectors
  int64_t blocks_ = 0;                                // since the last flush
};

/// The mean of images of one size, place by place.
class MeanImageSum {
 public:
  explicit MeanImageSum(size_t image_bytes) : recent_(image_bytes), sums_(image_bytes) {}
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
