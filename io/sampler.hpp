// The order of samples: a pure function of (seed, position), design 6.
#pragma once

#include <cstdint>

namespace convoy {

enum class Shuffle { on, off };

/// A keyed bijection of [0, n): a Feistel network on the next even power of two with cycle walking. O(1), nothing
/// stored. J. Black and P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
class Permutation {
 public:
  Permutation(int64_t n, uint64_t seed, uint64_t epoch);
  int64_t operator()(int64_t i) const;

 private:
  int64_t n_;
  int half_bits_;
  uint64_t seed_, epoch_;
};

class Sampler {
 public:
  Sampler(int64_t dataset_size, uint64_t seed, Shuffle shuffle);
  /// The sample at `position` of the run: epoch position / N, element perm(position mod N).
  int64_t sample(int64_t position) const;

 private:
  int64_t size_;
  uint64_t seed_;
  Shuffle shuffle_;
};

}  // namespace convoy
