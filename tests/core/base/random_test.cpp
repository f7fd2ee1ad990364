#include "core/base/random.hpp"

#include <gtest/gtest.h>

namespace convoy {
namespace {

// Known answers of Philox4x32-10 from the authors' Random123 distribution (kat_vectors).
TEST(Philox, KnownAnswers) {
  const PhiloxBlock zero = philox4x32({{0, 0, 0, 0}}, 0);
  EXPECT_EQ(zero.word[0], 0x6627e8d5u);
  EXPECT_EQ(zero.word[1], 0xe169c58du);
  EXPECT_EQ(zero.word[2], 0xbc57ac4cu);
  EXPECT_EQ(zero.word[3], 0x9b00dbd8u);
  const PhiloxBlock ones = philox4x32({{~0u, ~0u, ~0u, ~0u}}, ~uint64_t{0});
  EXPECT_EQ(ones.word[0], 0x408f276du);
  EXPECT_EQ(ones.word[1], 0x41c83b0eu);
  EXPECT_EQ(ones.word[2], 0xa20bc7c6u);
  EXPECT_EQ(ones.word[3], 0x6d5451fdu);
  const PhiloxBlock pi = philox4x32({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, 0x299f31d0a4093822u);
  EXPECT_EQ(pi.word[0], 0xd16cfe09u);
  EXPECT_EQ(pi.word[1], 0x94fdccebu);
  EXPECT_EQ(pi.word[2], 0x5001e420u);
  EXPECT_EQ(pi.word[3], 0x24126ea1u);
}

TEST(RandomStream, MomentsAreThoseOfTheDistribution) {
  const RandomStream random(7, RandomPurpose::test, 1);
  constexpr int n = 100'000;
  double uniform = 0, normal = 0, square = 0;
  for (int i = 0; i < n; ++i) {
    const float u = random.uniform(i);
    ASSERT_GE(u, 0.0f);
    ASSERT_LT(u, 1.0f);
    const double x = random.normal(i);
    uniform += u, normal += x, square += x * x;
  }
  // Five standard errors of each mean over n draws.
  EXPECT_NEAR(uniform / n, 0.5, 5 * 0.2887 / std::sqrt(n));
  EXPECT_NEAR(normal / n, 0.0, 5 / std::sqrt(n));
  EXPECT_NEAR(square / n, 1.0, 5 * std::sqrt(2.0 / n));
}

TEST(RandomStream, StreamsPurposesAndSeedsDiffer) {
  const float base = RandomStream(1, RandomPurpose::test, 1).uniform(0);
  EXPECT_NE(base, RandomStream(2, RandomPurpose::test, 1).uniform(0));
  EXPECT_NE(base, RandomStream(1, RandomPurpose::shuffle, 1).uniform(0));
  EXPECT_NE(base, RandomStream(1, RandomPurpose::test, 2).uniform(0));
  EXPECT_EQ(base, RandomStream(1, RandomPurpose::test, 1).uniform(0));
}

}  // namespace
}  // namespace convoy
