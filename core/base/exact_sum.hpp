// A sum of doubles that does not depend on how its terms are grouped or ordered.
//
// The sum is kept as an integer of 256 bits, in units of 2^-128: eight digits of 32 bits, each in an int64, so that
// carries can wait and sums of several workers can be added word by word.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/host_device.hpp"

namespace convoy {

/// What a term adds to an exact sum: three digits, the lowest first, or one more term that could not be added.
struct ExactTerm {
  uint32_t first = 0;  // the place of digits[0]
  uint32_t digits[3] = {};
  bool unfit = false;
};

/// Of x >= 0. What x has below 2^-128 is cut off; a term of 2^96 or more, or one that is not finite, is unfit.
CONVOY_HOST_DEVICE inline ExactTerm exact_term(double x);

class ExactSum {
 public:
  /// Eight digits, the lowest first, and the number of terms that could not be added.
  static constexpr size_t words = 9;

  /// Adds exact_term(x). A term that is unfit makes the value NaN. At most 2^30 terms between two calls of store().
  void add(double x);

  /// Writes the sum in the one form that equal sums share. Sums of up to 2^30 such forms, word by word, can be loaded.
  void store(std::span<int64_t, words> out);
  void load(std::span<const int64_t, words> in);

  /// The sum rounded to a double, the same bits for equal sums.
  double value() const;

 private:
  void carry();

  std::array<int64_t, words> words_{};
};

CONVOY_HOST_DEVICE inline ExactTerm exact_term(double x) {
  if (!(x < 0x1p96)) return {.unfit = true};
  constexpr int mantissa_bits = 53, bias = 1075, unit = -128;  // of a double; the exponent of the lowest digit's bit 0
  const auto bits = std::bit_cast<uint64_t>(x);
  // A subnormal number lies below all digits, so that it does not matter that it has no leading bit.
  uint64_t mantissa = (bits & ((uint64_t{1} << (mantissa_bits - 1)) - 1)) | uint64_t{1} << (mantissa_bits - 1);
  int place = static_cast<int>(bits >> (mantissa_bits - 1) & 0x7ff) - bias - unit;
  if (place < 0) {
    mantissa = place > -mantissa_bits ? mantissa >> -place : 0;
    place = 0;
  }
  const int shift = place % 32;
  // At most 84 bits, which are three digits; a term below 2^96 ends in the last one but one.
  return {.first = static_cast<uint32_t>(place / 32),
          .digits = {static_cast<uint32_t>(mantissa << shift), static_cast<uint32_t>(mantissa >> (32 - shift)),
                     shift > 0 ? static_cast<uint32_t>(mantissa >> (64 - shift)) : 0}};
}

}  // namespace convoy
