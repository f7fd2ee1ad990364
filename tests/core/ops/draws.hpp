// Made-up data for op tests: pure functions of a seed, and without kinks near by where an op has some.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "core/base/random.hpp"

namespace convoy::testing {

/// Uniform in [-1, 1).
inline std::vector<float> uniform(uint64_t seed, uint64_t stream, int64_t count) {
  const RandomStream random(seed, RandomPurpose::test, stream);
  std::vector<float> out(static_cast<size_t>(count));
  for (size_t i = 0; i < out.size(); ++i) out[i] = 2 * random.uniform(i) - 1;
  return out;
}

/// Moved away from 0, where relu has its kink, by much more than a finite difference reaches.
inline std::vector<float> away_from_zero(std::vector<float> values) {
  for (float& v : values) v += v < 0 ? -0.1f : 0.1f;
  return values;
}

/// A random order of numbers 1/64 apart, exact in fp32: no two are so near that a finite difference could swap them.
inline std::vector<float> distinct(uint64_t seed, int64_t count) {
  const RandomStream random(seed, RandomPurpose::test, 0);
  std::vector<float> out(static_cast<size_t>(count));
  const int64_t lowest = -count / 2;
  std::iota(out.begin(), out.end(), static_cast<float>(lowest));
  for (size_t i = out.size(); i > 1; --i) std::swap(out[i - 1], out[random.block(i).word[0] % i]);
  for (float& v : out) v /= 64;
  return out;
}

}  // namespace convoy::testing
