// Exponential, logarithm and roots in fp32 for loops that the compiler vectorises: no branch, no table, no call.
//
// The bits are the same on every instruction set: plain multiplications and additions in a fixed order. The polynomials
// are those of Cephes (S. Moshier, 1992); errors stay below 2 units in the last place of a result that is normal.
#pragma once

#include <bit>
#include <cstdint>

namespace convoy::cpu {

/// 2^n for n in [-126, 127]. Unsigned, because the bits of NaN may come here.
[[gnu::always_inline]] inline float power_of_two(uint32_t n) {
  return std::bit_cast<float>((n + 127u) << 23);
}

/// exp(x): 0 far below, infinity far above; NaN stays NaN.
[[gnu::always_inline]] inline float vector_exp(float x) {
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  // Adding this number rounds to a whole one and leaves it in the low bits.
  constexpr float shift = 12582912.0f;
  const float shifted = x * 1.44269504088896341f + shift;
  const float n = shifted - shift;
  // ln 2 in two parts, the first of so few bits that n times it is exact.
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float e = (p * (r * r) + r) + 1.0f;
  // n lies in [-150, 128]: beyond the exponents of one number, so it is applied in two halves.
  const uint32_t whole = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(shift);
  const uint32_t first = static_cast<uint32_t>(static_cast<int32_t>(whole) >> 1);
  return e * power_of_two(first) * power_of_two(whole - first);
}

/// log(x) of a normal number; infinity and NaN stay what they are.
[[gnu::always_inline]] inline float vector_log(float x) {
  // x = m 2^n with m in [sqrt(1/2), sqrt(2)).
  constexpr uint32_t root_half = 0x3f3504f3u;
  const uint32_t above = std::bit_cast<uint32_t>(x) - root_half;
  const float n = static_cast<float>(static_cast<int32_t>(above) >> 23);
  const float m = std::bit_cast<float>((above & 0x007fffffu) + root_half) - 1.0f;
  const float square = m * m;
  float p = 7.0376836292e-2f;
  p = p * m + -1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m + -1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m + -1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m + -2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const float low = (p * m * square + n * -2.12194440e-4f) - 0.5f * square;
  const float log = (m + low) + n * 0.693359375f;
  // A choice by bits: "?" would become a jump around the sums above, and no vector.
  const uint32_t special = 0u - static_cast<uint32_t>(std::bit_cast<uint32_t>(x) >= 0x7f800000u);
  return std::bit_cast<float>((std::bit_cast<uint32_t>(x) & special) | (std::bit_cast<uint32_t>(log) & ~special));
}

/// x^(-1/4) of a positive normal number, by Newton's method: a square root would do, if the compiler vectorised it
/// without being told that nobody reads errno.
[[gnu::always_inline]] inline float vector_inverse_fourth_root(float x) {
  // A float's bits are about its logarithm: this is within 4 % and each round squares the error (times 5/2).
  float z = std::bit_cast<float>(0x4f586000u - (std::bit_cast<uint32_t>(x) >> 2));
  for (int round = 0; round < 3; ++round) {
    const float square = z * z;
    z = z + z * (0.25f * (1.0f - x * square * square));
  }
  return z;
}

}  // namespace convoy::cpu
