// A sum of doubles that does not depend on how its terms are grouped or ordered.
//
// The sum is kept as an integer of 256 bits, in units of 2^-128: eight digits of 32 bits, each in an int64, so that
// carries can wait and sums of several workers can be added word by word.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace convoy {

class ExactSum {
 public:
  /// Eight digits, the lowest first, and the number of terms that could not be added.
  static constexpr size_t words = 9;

  /// Adds x >= 0. What x has below 2^-128 is cut off, term by term; a term of 2^96 or more, or one that is not finite,
  /// makes the value NaN. At most 2^30 terms between two calls of store().
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

}  // namespace convoy
