// The order of samples: a Feistel network whose round function is Philox.
#include "io/sampler.hpp"

#include <algorithm>
#include <bit>

#include "core/base/error.hpp"

namespace convoy {
namespace {

// Four rounds make a pseudorandom permutation of a large domain; small domains need a few more.
constexpr uint64_t rounds = 6;

constexpr uint64_t block_bytes = 4 << 20;
constexpr int64_t window_blocks = 256;

}  // namespace

Permutation::Permutation(int64_t n, uint64_t seed, uint64_t stream, RandomPurpose purpose)
    : n_(n),
      half_bits_(std::max(1, static_cast<int>(std::bit_width(static_cast<uint64_t>(n - 1)) + 1) / 2)),
      random_(seed, purpose, stream) {}

int64_t Permutation::operator()(int64_t i) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  auto value = static_cast<uint64_t>(i);
  do {  // until it falls into [0, n) again; the domain is less than four times n, for n over 1
    uint64_t left = value >> half_bits_, right = value & mask;
    for (uint64_t round = 0; round < rounds; ++round) {
      const uint64_t mixed = left ^ (random_.block(right * rounds + round).word[0] & mask);
      left = right;
      right = mixed;
    }
    value = left << half_bits_ | right;
  } while (value >= static_cast<uint64_t>(n_));
  return static_cast<int64_t>(value);
}

BlockShuffle BlockShuffle::of(uint64_t image_bytes, int64_t block, int64_t window) {
  const uint64_t images = std::max<uint64_t>(block_bytes / std::max<uint64_t>(image_bytes, 1), 1);
  return {.block = block > 0 ? block : static_cast<int64_t>(images), .window = window > 0 ? window : window_blocks};
}

Sampler::Sampler(int64_t dataset_size, uint64_t seed, Shuffle shuffle, const BlockShuffle& blocks)
    : size_(dataset_size), seed_(seed), shuffle_(shuffle), blocks_(blocks) {
  if (dataset_size < 1) fail(ExitCode::internal, "a sampler of ", dataset_size, " samples");
  if (blocks.block < 1 || blocks.window < 1) {
    fail(ExitCode::internal, "a sampler of blocks of ", blocks.block, " samples, ", blocks.window, " in a window");
  }
  blocks_.block = std::min(blocks_.block, size_);  // so that no product below can overflow
  blocks_.window = std::min(blocks_.window, (size_ + blocks_.block - 1) / blocks_.block);
}

/// Where an element of an epoch stands before the shuffling of windows.
int64_t Sampler::place_in_blocks(int64_t epoch, int64_t element) const {
  const int64_t window = window_samples();
  const int64_t windows = (size_ + window - 1) / window;
  const int64_t number = element / window, begin = number * window;
  const auto stream = static_cast<uint64_t>(epoch * windows + number);
  const int64_t length = std::min(window, size_ - begin);
  return begin + Permutation(length, seed_, stream, RandomPurpose::shuffle_window)(element - begin);
}

/// Whole blocks are permuted; the samples that fill no whole block stand somewhere between them, elsewhere in each
/// epoch.
int64_t Sampler::sample_at_place(int64_t epoch, int64_t place) const {
  const auto turn = static_cast<uint64_t>(epoch);
  const int64_t whole = size_ / blocks_.block, rest = size_ % blocks_.block;
  const uint64_t draw = RandomStream(seed_, RandomPurpose::shuffle_rest, turn).block(0).word[0];
  const int64_t rest_at = static_cast<int64_t>((draw * static_cast<uint64_t>(whole + 1)) >> 32) * blocks_.block;
  if (place >= rest_at && place < rest_at + rest) return whole * blocks_.block + place - rest_at;
  const int64_t among_whole = place < rest_at ? place : place - rest;
  return Permutation(whole, seed_, turn)(among_whole / blocks_.block) * blocks_.block + among_whole % blocks_.block;
}

Sampler::Block Sampler::block_at(int64_t position) const {
  const int64_t sample = sample_at_place(position / size_, position % size_);
  if (sample % blocks_.block != 0) return {};
  return {.number = sample / blocks_.block, .begin = sample, .count = std::min(blocks_.block, size_ - sample)};
}

int64_t Sampler::sample(int64_t position) const {
  const int64_t epoch = position / size_, element = position % size_;
  switch (shuffle_) {
    case Shuffle::off: return element;
    case Shuffle::on: return Permutation(size_, seed_, static_cast<uint64_t>(epoch))(element);
    case Shuffle::blocks: return sample_at_place(epoch, place_in_blocks(epoch, element));
  }
  fail(ExitCode::internal, "a shuffle of kind ", static_cast<int>(shuffle_));
}

}  // namespace convoy
