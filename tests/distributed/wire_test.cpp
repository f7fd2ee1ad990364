#include "distributed/wire.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/distributed/case_tools.hpp"

namespace convoy {
namespace {

float there_and_back(float value) {
  uint16_t rounded = 0;
  float back = 0;
  to_bf16(std::span(&value, 1), std::span(&rounded, 1));
  from_bf16(std::span(&rounded, 1), std::span(&back, 1));
  return back;
}

TEST(Wire, EveryBf16NumberComesBack) {
  std::vector<uint16_t> all(1 << 16), again(all.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  std::vector<float> floats(all.size());
  from_bf16(all, floats);
  to_bf16(floats, again);
  for (size_t i = 0; i < all.size(); ++i) {
    if (std::isnan(floats[i])) {
      EXPECT_EQ(again[i], all[i] | 0x40) << "a NaN becomes quiet, and stays what it is";
    } else {
      EXPECT_EQ(again[i], all[i]);
    }
  }
}

TEST(Wire, RoundsToTheNearestAndTiesToEven) {
  EXPECT_EQ(there_and_back(1.0f), 1.0f);
  EXPECT_EQ(there_and_back(0x1.01p0f), 0x1.00p0f) << "between 1.00 and 1.02: the even one is below";
  EXPECT_EQ(there_and_back(0x1.010002p0f), 0x1.02p0f);
  EXPECT_EQ(there_and_back(0x1.03p0f), 0x1.04p0f) << "between 1.02 and 1.04: the even one is above";
  EXPECT_EQ(there_and_back(0x1.02fffep0f), 0x1.02p0f);
  EXPECT_EQ(there_and_back(-0x1.03p0f), -0x1.04p0f);
  EXPECT_EQ(there_and_back(0x1.fffffep0f), 2.0f) << "the carry goes into the exponent";
}

TEST(Wire, KeepsWhatIsNoOrdinaryNumber) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(there_and_back(infinity), infinity);
  EXPECT_EQ(there_and_back(-infinity), -infinity);
  EXPECT_EQ(there_and_back(std::numeric_limits<float>::max()), infinity) << "nearer to 2^128 than to any bf16 number";
  EXPECT_EQ(there_and_back(0x1.fefffep127f), 0x1.fep127f) << "the largest that is not";
  EXPECT_TRUE(same_bits(there_and_back(0.0f), 0.0f));
  EXPECT_TRUE(same_bits(there_and_back(-0.0f), -0.0f));
  // A NaN whose mantissa lies in the half that is cut off, and one that rounding would carry to infinity's successor.
  for (const uint32_t bits : {0x7f800001u, 0xff800001u, 0x7fffffffu, 0xffffffffu, 0x7fc00000u, 0x7f80ffffu}) {
    const float back = there_and_back(std::bit_cast<float>(bits));
    EXPECT_TRUE(std::isnan(back)) << std::hex << bits;
    EXPECT_EQ(std::signbit(back), bits >> 31 == 1) << std::hex << bits;
  }
}

TEST(Wire, AgreesWithArithmeticInDouble) {
  // Every exponent, denormals included, with mantissas near ties and far from them, at lengths with and without a rest.
  std::vector<float> values;
  for (uint32_t exponent = 0; exponent < 255; ++exponent) {
    for (uint32_t k = 0; k < 1001; ++k) {
      const uint32_t random = (exponent * 1001 + k) * 2654435761u;
      uint32_t mantissa = random >> 9;
      if (k % 4 == 1) mantissa = (mantissa & 0x7f0000u) | 0x8000u;           // a tie
      if (k % 4 == 2) mantissa = (mantissa & 0x7f0000u) + 0x7fffu + k % 3u;  // beside one
      values.push_back(std::bit_cast<float>((random << 31) | (exponent << 23) | (mantissa & 0x7fffffu)));
    }
  }
  std::vector<uint16_t> rounded(values.size());
  std::vector<float> back(values.size());
  to_bf16(values, rounded);
  from_bf16(rounded, back);
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_TRUE(same_bits(back[i], nearest_bf16(values[i]))) << values[i] << " became " << back[i];
  }
}

}  // namespace
}  // namespace convoy
