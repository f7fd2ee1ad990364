#include "core/base/exact_sum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace convoy {
namespace {

constexpr size_t digits = ExactSum::words - 1;
constexpr int digit_bits = 32;
constexpr int unit = -128;  // the exponent of the lowest bit
constexpr int mantissa_bits = 53;
constexpr double least_too_large = 0x1p96;
constexpr uint64_t digit_mask = (uint64_t{1} << digit_bits) - 1;

}  // namespace

void ExactSum::add(double x) {
  if (!(x < least_too_large)) {
    ++words_[digits];
    return;
  }
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);
  auto mantissa = static_cast<uint64_t>(fraction * 0x1p53);
  int place = exponent - mantissa_bits - unit;
  if (place < 0) {
    mantissa = place > -mantissa_bits ? mantissa >> -place : 0;
    place = 0;
  }
  const auto first = static_cast<size_t>(place / digit_bits);
  const int shift = place % digit_bits;
  // At most 84 bits, which are three digits; a term below 2^96 ends in the last one but one.
  words_[first] += static_cast<int64_t>(mantissa << shift & digit_mask);
  words_[first + 1] += static_cast<int64_t>(mantissa >> (digit_bits - shift) & digit_mask);
  if (shift > 0) words_[first + 2] += static_cast<int64_t>(mantissa >> (2 * digit_bits - shift));
}

void ExactSum::carry() {
  for (size_t i = 0; i + 1 < digits; ++i) {
    words_[i + 1] += words_[i] >> digit_bits;
    words_[i] &= static_cast<int64_t>(digit_mask);
  }
}

void ExactSum::store(std::span<int64_t, words> out) {
  carry();
  std::ranges::copy(words_, out.begin());
}

void ExactSum::load(std::span<const int64_t, words> in) {
  std::ranges::copy(in, words_.begin());
  carry();
}

double ExactSum::value() const {
  if (words_[digits] > 0) return std::numeric_limits<double>::quiet_NaN();
  ExactSum whole = *this;
  whole.carry();
  double sum = 0;
  for (size_t i = digits; i-- > 0;) sum = sum * 0x1p32 + static_cast<double>(whole.words_[i]);
  return std::ldexp(sum, unit);
}

}  // namespace convoy
