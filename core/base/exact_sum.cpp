#include "core/base/exact_sum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace convoy {
namespace {

constexpr size_t digits = ExactSum::words - 1;
constexpr int digit_bits = 32;
constexpr int unit = -128;  // the exponent of the lowest bit
constexpr uint64_t digit_mask = (uint64_t{1} << digit_bits) - 1;

}  // namespace

void ExactSum::add(double x) {
  const ExactTerm term = exact_term(x);
  if (term.unfit) {
    ++words_[digits];
    return;
  }
  for (size_t i = 0; i < 3; ++i) words_[term.first + i] += term.digits[i];
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
