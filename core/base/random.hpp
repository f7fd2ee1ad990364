// Counter-based random numbers: Philox4x32-10.
//
// J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
// A number is a pure function of (seed, purpose, stream, index): nothing depends on the worker count, on threads or on
// time, and any element can be computed alone, on host or device.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "core/base/host_device.hpp"

namespace convoy {

/// Keeps streams that serve different ends apart. Values are part of the on-disk promise (same seed, same run): append
/// only.
enum class RandomPurpose : uint32_t {
  initialise = 1,
  shuffle = 2,
  augment = 3,
  dropout = 4,
  shuffle_window = 5,
  shuffle_rest = 6,
  test = 1000
};

struct PhiloxBlock {
  uint32_t word[4];
};

/// Ten rounds of Philox4x32 over `counter` with the 64-bit `key`.
CONVOY_HOST_DEVICE inline PhiloxBlock philox4x32(PhiloxBlock counter, uint64_t key) {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter.word[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<uint32_t>(p1 >> 32) ^ counter.word[1] ^ k0, static_cast<uint32_t>(p1),
                static_cast<uint32_t>(p0 >> 32) ^ counter.word[3] ^ k1, static_cast<uint32_t>(p0)}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return counter;
}

/// One stream of random numbers, addressed by index.
class RandomStream {
 public:
  /// `stream` is the layer, the epoch or the sample: whatever the purpose counts by.
  CONVOY_HOST_DEVICE RandomStream(uint64_t seed, RandomPurpose purpose, uint64_t stream)
      : seed_(seed), purpose_(static_cast<uint32_t>(purpose)), stream_(stream) {}

  /// Four random words for block `index`; index < 2^32.
  CONVOY_HOST_DEVICE PhiloxBlock block(uint64_t index) const {
    return philox4x32({{static_cast<uint32_t>(index), static_cast<uint32_t>(stream_),
                        static_cast<uint32_t>(stream_ >> 32), purpose_ ^ static_cast<uint32_t>(index >> 32)}},
                      seed_);
  }

  /// Uniform in [0, 1), 24 bits.
  CONVOY_HOST_DEVICE float uniform(uint64_t index) const { return to_unit(block(index / 4).word[index % 4]); }

  /// Standard normal, by Box-Muller.
  CONVOY_HOST_DEVICE float normal(uint64_t index) const {
    const PhiloxBlock b = block(index / 2);
    const uint64_t pair = (index % 2) * 2;
    const float radius = sqrtf(-2.0f * logf(1.0f - to_unit(b.word[pair])));
    return radius * cosf(6.28318530718f * to_unit(b.word[pair + 1]));
  }

 private:
  CONVOY_HOST_DEVICE static float to_unit(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

  uint64_t seed_;
  uint32_t purpose_;
  uint64_t stream_;
};

}  // namespace convoy
