// ExactSum against sums known in closed form, and against itself under other orders and groupings.
#include "core/base/exact_sum.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace convoy {
namespace {

using Words = std::array<int64_t, ExactSum::words>;

Words words_of(ExactSum sum) {
  Words words{};
  sum.store(words);
  return words;
}

double sum_of(std::initializer_list<double> terms) {
  ExactSum sum;
  for (const double term : terms) sum.add(term);
  return sum.value();
}

/// Terms over sixty powers of ten, in which a sum of doubles loses most of the small ones.
std::vector<double> wide_terms(size_t count) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> exponent(-34, 26), fraction(1, 10);
  std::vector<double> terms;
  for (size_t i = 0; i < count; ++i) terms.push_back(fraction(random) * std::pow(10.0, exponent(random)));
  return terms;
}

TEST(ExactSum, OfOneTermIsThatTerm) {
  EXPECT_EQ(ExactSum().value(), 0);
  for (const double x : {0.0, 1.0, 0.1, 1e-20, 123456.789, 1e28, 0x1p-128, 0x1p-76, 0x1.fffffffffffffp95,
                         0x1.fffffffffffffp31, 0x1p32, 0x1.0000000000001p0}) {
    EXPECT_EQ(sum_of({x}), x) << x;
  }
}

TEST(ExactSum, LosesNothingBetweenItsEnds) {
  EXPECT_EQ(sum_of({0x1p95, 0x1p-128, 0x1p-128}), 0x1p95);
  // 2^53 times what a double would drop each time.
  ExactSum sum;
  sum.add(0x1p53);
  for (int i = 0; i < 1000; ++i) sum.add(0.5);
  EXPECT_EQ(sum.value(), 0x1p53 + 500);
  // The carry goes through every digit.
  EXPECT_EQ(words_of([] {
              ExactSum ones;
              for (int bit = -128; bit < 0; ++bit) ones.add(std::ldexp(1.0, bit));
              ones.add(0x1p-128);
              return ones;
            }()),
            (Words{0, 0, 0, 0, 1, 0, 0, 0, 0}));
}

TEST(ExactSum, CutsOffBelowItsUnitTermByTerm) {
  EXPECT_EQ(sum_of({0x1p-129, 0x1p-129, 5e-324, std::numeric_limits<double>::min()}), 0);
  EXPECT_EQ(sum_of({0x1.8p-127}), 0x1.8p-127);
  EXPECT_EQ(sum_of({0x1.cp-127}), 0x1.8p-127);
}

TEST(ExactSum, IsTheSameInAnyOrderAndGrouping) {
  std::vector<double> terms = wide_terms(5000);
  ExactSum forward;
  for (const double term : terms) forward.add(term);
  const Words expected = words_of(forward);
  std::ranges::shuffle(terms, std::mt19937(7));
  for (const size_t groups : {1, 2, 3, 64}) {
    Words total{};
    for (size_t g = 0; g < groups; ++g) {
      ExactSum part;
      for (size_t i = g; i < terms.size(); i += groups) part.add(terms[i]);
      const Words words = words_of(part);
      for (size_t w = 0; w < words.size(); ++w) total[w] += words[w];
    }
    ExactSum whole;
    whole.load(total);
    EXPECT_EQ(words_of(whole), expected) << groups;
    EXPECT_EQ(std::bit_cast<uint64_t>(whole.value()), std::bit_cast<uint64_t>(forward.value())) << groups;
  }
}

TEST(ExactSum, ManyTermsKeepTheirCarries) {
  ExactSum sum;
  const double term = 0x1p95 - 0x1p42;  // all 53 bits are ones
  for (int i = 0; i < 1 << 20; ++i) sum.add(term);
  EXPECT_EQ(sum.value(), term * 0x1p20);
}

TEST(ExactSum, OfWhatIsTooLargeOrNoNumberIsNaN) {
  EXPECT_TRUE(std::isnan(sum_of({1, 0x1p96})));
  EXPECT_TRUE(std::isnan(sum_of({std::numeric_limits<double>::infinity(), 1})));
  EXPECT_TRUE(std::isnan(sum_of({std::numeric_limits<double>::quiet_NaN()})));
  // It stays one on its way through other workers' words.
  ExactSum bad, sum;
  bad.add(std::numeric_limits<double>::quiet_NaN());
  sum.load(words_of(bad));
  EXPECT_TRUE(std::isnan(sum.value()));
}

}  // namespace
}  // namespace convoy
