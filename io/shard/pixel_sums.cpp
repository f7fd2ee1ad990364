// Exact sums over pixels: 32-bit counters in vector loops, emptied into 64-bit ones before they could overflow.
#include "io/shard/pixel_sums.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace convoy {
namespace {

constexpr size_t block_pixels = 512;
constexpr int64_t most_blocks = 66051;               // times 255^2 stays below 2^32
constexpr int64_t most_images = 1 << 24;             // times 255 does
constexpr uint64_t most_pixels = uint64_t{1} << 48;  // times 255^2 stays below 2^64
using Wide = __int128;

/// n^2 times the variance, n * sum of squares - square of sum, as an integer: nothing cancels.
Wide scaled_variance(const PixelTotals& totals, size_t c) {
  return Wide{totals.count} * totals.squares[c] - Wide{totals.sums[c]} * totals.sums[c];
}

}  // namespace

void PixelTotals::add(const PixelTotals& others) {
  count += others.count;
  sums.resize(others.sums.size());
  squares.resize(others.squares.size());
  for (size_t c = 0; c < sums.size(); ++c) {
    sums[c] += others.sums[c];
    squares[c] += others.squares[c];
  }
}

bool PixelTotals::plausible(int64_t channels) const {
  if (count > most_pixels || std::cmp_not_equal(sums.size(), channels) || squares.size() != sums.size()) return false;
  for (size_t c = 0; c < sums.size(); ++c) {
    if (sums[c] > 255 * count || squares[c] > 255 * sums[c] || scaled_variance(*this, c) < 0) return false;
  }
  return true;
}

std::vector<double> PixelTotals::mean() const {
  std::vector<double> means(sums.size());
  for (size_t c = 0; c < means.size() && count > 0; ++c) {
    means[c] = static_cast<double>(sums[c]) / static_cast<double>(count);
  }
  return means;
}

std::vector<double> PixelTotals::deviation() const {
  std::vector<double> deviations(sums.size());
  for (size_t c = 0; c < deviations.size() && count > 0; ++c) {
    deviations[c] = std::sqrt(static_cast<double>(scaled_variance(*this, c))) / static_cast<double>(count);
  }
  return deviations;
}

PixelSums::PixelSums(int64_t channels)
    : channels_(static_cast<size_t>(channels)),
      totals_{.sums = std::vector<uint64_t>(channels_), .squares = std::vector<uint64_t>(channels_)},
      block_sums_(channels_ * block_pixels),
      block_squares_(channels_ * block_pixels) {}

void PixelSums::add(std::span<const uint8_t> pixels) {
  totals_.count += pixels.size() / channels_;
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
    totals_.sums[i % channels_] += block_sums_[i];
    totals_.squares[i % channels_] += block_squares_[i];
  }
  std::fill(block_sums_.begin(), block_sums_.end(), 0);
  std::fill(block_squares_.begin(), block_squares_.end(), 0);
  blocks_ = 0;
}

const PixelTotals& PixelSums::totals() {
  flush();
  return totals_;
}

void MeanImageSum::add(std::span<const uint8_t> image) {
  for (size_t i = 0; i < recent_.size(); ++i) recent_[i] += image[i];
  ++images_;
  if (++unflushed_ == most_images) flush();
}

void MeanImageSum::flush() {
  for (size_t i = 0; i < recent_.size(); ++i) sums_[i] += recent_[i];
  std::fill(recent_.begin(), recent_.end(), 0);
  unflushed_ = 0;
}

std::vector<float> MeanImageSum::mean() {
  flush();
  std::vector<float> means(sums_.size());
  for (size_t i = 0; i < means.size() && images_ > 0; ++i) {
    means[i] = static_cast<float>(static_cast<double>(sums_[i]) / static_cast<double>(images_));
  }
  return means;
}

}  // namespace convoy
