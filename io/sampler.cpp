// The order of samples: a Feistel network whose round function is Philox.
#include "io/sampler.hpp"

#include <algorithm>
#include <bit>

#include "core/base/error.hpp"
#include "core/base/random.hpp"

namespace convoy {
namespace {

// Four rounds make a pseudorandom permutation of a large domain; small domains need a few more.
constexpr uint64_t rounds = 6;

}  // namespace

Permutation::Permutation(int64_t n, uint64_t seed, uint64_t epoch)
    : n_(n),
      half_bits_(std::max(1, static_cast<int>(std::bit_width(static_cast<uint64_t>(n - 1)) + 1) / 2)),
      seed_(seed),
      epoch_(epoch) {}

int64_t Permutation::operator()(int64_t i) const {
  const RandomStream random(seed_, RandomPurpose::shuffle, epoch_);
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  auto value = static_cast<uint64_t>(i);
  do {  // until it falls into [0, n) again; the domain is less than four times n, for n over 1
    uint64_t left = value >> half_bits_, right = value & mask;
    for (uint64_t round = 0; round < rounds; ++round) {
      const uint64_t mixed = left ^ (random.block(right * rounds + round).word[0] & mask);
      left = right;
      right = mixed;
    }
    value = left << half_bits_ | right;
  } while (value >= static_cast<uint64_t>(n_));
  return static_cast<int64_t>(value);
}

Sampler::Sampler(int64_t dataset_size, uint64_t seed, Shuffle shuffle)
    : size_(dataset_size), seed_(seed), shuffle_(shuffle) {
  if (dataset_size < 1) fail(ExitCode::internal, "a sampler of ", dataset_size, " samples");
}

int64_t Sampler::sample(int64_t position) const {
  const int64_t epoch = position / size_, element = position % size_;
  return shuffle_ == Shuffle::off ? element : Permutation(size_, seed_, static_cast<uint64_t>(epoch))(element);
}

}  // namespace convoy
