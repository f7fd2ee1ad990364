// The numbers that transforms draw: each place of a chain has its own.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "io/augment/transform.hpp"

namespace convoy {
namespace {

constexpr uint64_t most_normals = Draws::each / 2;
constexpr size_t places = 16;

const RandomStream random_numbers(7, RandomPurpose::augment, 123);

/// Box-Muller of the pair of uniform numbers that stands where a normal one is made: how core/base/random.hpp does it.
double normal_of(const Draws& draws, uint64_t index) {
  const double radius = std::sqrt(-2 * std::log(1 - draws.uniform(2 * index)));
  return radius * std::cos(2 * std::numbers::pi * draws.uniform(2 * index + 1));
}

/// Whether the first two of `p` are some neighbours of `q`'s pairs: one alone may be alike by chance.
bool shares(const Draws& p, const Draws& q) {
  constexpr double rounding = 1e-5;  // of fp32, in numbers below 6
  for (uint64_t i = 0; i + 1 < most_normals; ++i) {
    for (uint64_t j = 0; j + 1 < most_normals; ++j) {
      if (std::abs(p.normal(i) - normal_of(q, j)) < rounding &&
          std::abs(p.normal(i + 1) - normal_of(q, j + 1)) < rounding)
        return true;
    }
  }
  return false;
}

TEST(Draws, NoPlaceSharesNumbersWithAnother) {
  for (size_t p = 0; p < places; ++p) {
    for (size_t q = 0; q < places; ++q) {
      EXPECT_EQ(shares(Draws(random_numbers, p), Draws(random_numbers, q)), p == q) << p << ", " << q;
    }
  }
}

TEST(Draws, TheFirstPlaceHasTheStreamsFirstNumbers) {
  const Draws draws(random_numbers, 0);
  for (uint64_t i = 0; i < most_normals; ++i) {
    EXPECT_EQ(static_cast<float>(draws.normal(i)), random_numbers.normal(i));
    EXPECT_EQ(static_cast<float>(draws.uniform(i)), random_numbers.uniform(i));
  }
}

}  // namespace
}  // namespace convoy
