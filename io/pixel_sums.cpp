// Exact sums over pixels: 32-bit counters in vector loops, emptied into 64-bit ones before they could overflow.
#include "io/pixel_sums.hpp"

#include <algorithm>
#include <cmath>

namespace convoy {
namespace {

constexpr size_t block_pixels = 512;
constexpr int64_t most_blocks = 66051;    // times 255^2 stays below 2^32
constexpr int64_t most_images = 1 << 24;  // times 255 does

}  // namespace

PixelSums::PixelSums(int64_t channels)
    : channels_(static_cast<size_t>(channels)),
      sums_(channels_),
      squares_(channels_),
      block_sums_(channels_ * block_pixels),
      block_squares_(channels_ * block_pixels) {}

void PixelSums::add(std::span<const uint8_t> pixels) {
  pixels_ += pixels.size() / channels_;
  while (!pixels.empty()) {
    const std::span<const uint8_t> block = pixels.first(std::min(pixels.size(), block_sums_.size()));
    for (size_t i = 0; i < block.size(); ++i) {
      const uint32_t pixel = block[i];
      block_sums_[i] += pixel;
      block_squares_[i] += pixel * pixel;
    }
    pixels = pixels.subspan(block.size());
    if (++blocks_ == most_blocks) flush();
  }
}

void PixelSums::flush() {
  for (size_t i = 0; i < block_sums_.size(); ++i) {
    sums_[i % channels_] += block_sums_[i];
    squares_[i % channels_] += block_squares_[i];
  }
  std::fill(block_sums_.begin(), block_sums_.end(), 0);
  std::fill(block_squares_.begin(), block_squares_.end(), 0);
  blocks_ = 0;
}

std::vector<double> PixelSums::mean() {
  flush();
  std::vector<double> means(channels_);
  for (size_t c = 0; c < channels_ && pixels_ > 0; ++c) {
    means[c] = static_cast<double>(sums_[c]) / static_cast<double>(pixels_);
  }
  return means;
}

std::vector<double> PixelSums::deviation() {
  flush();
  std::vector<double> deviations(channels_);
  for (size_t c = 0; c < channels_ && pixels_ > 0; ++c) {
    // n^2 times the variance, n * sum of squares - square of sum, as an integer: nothing cancels.
    using Wide = unsigned __int128;
    const Wide scaled_variance = Wide{pixels_} * squares_[c] - Wide{sums_[c]} * sums_[c];
    deviations[c] = std::sqrt(static_cast<double>(scaled_variance)) / static_cast<double>(pixels_);
  }
  return deviations;
}

void MeanImage::add(std::span<const uint8_t> image) {
  for (size_t i = 0; i < recent_.size(); ++i) recent_[i] += image[i];
  ++images_;
  if (++unflushed_ == most_images) flush();
}

void MeanImage::flush() {
  for (size_t i = 0; i < recent_.size(); ++i) sums_[i] += recent_[i];
  std::fill(recent_.begin(), recent_.end(), 0);
  unflushed_ = 0;
}

std::vector<float> MeanImage::mean() {
  flush();
  std::vector<float> means(sums_.size());
  for (size_t i = 0; i < means.size() && images_ > 0; ++i) {
    means[i] = static_cast<float>(static_cast<double>(sums_[i]) / static_cast<double>(images_));
  }
  return means;
}

}  // namespace convoy
