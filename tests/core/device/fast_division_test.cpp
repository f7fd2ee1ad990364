#include "core/device/fast_division.hpp"

#include <gtest/gtest.h>

namespace convoy::cuda {
namespace {

TEST(FastDivision, GivesQuotientAndRemainder) {
  constexpr int64_t end = int64_t{1} << 31;
  for (const int64_t divisor :
       {1, 2, 3, 5, 7, 27, 64, 121, 641, 1000, 65535, 65537, 1 << 30, (1 << 30) + 1, 0x7fffffff}) {
    const FastDivision division(divisor);
    EXPECT_EQ(division.divisor(), static_cast<uint32_t>(divisor));
    // Where quotients change, and the ends of what is allowed.
    for (const int64_t many :
         {int64_t{0}, int64_t{1}, int64_t{2}, end / divisor / 2, end / divisor - 1, end / divisor}) {
      for (int64_t n = many * divisor - 2; n <= many * divisor + 2; ++n) {
        if (n < 0 || n >= end) continue;
        auto rest = static_cast<uint32_t>(n);
        EXPECT_EQ(division.quotient(rest), n / divisor) << n << " / " << divisor;
        EXPECT_EQ(division.split(rest), n % divisor) << n << " % " << divisor;
        EXPECT_EQ(rest, n / divisor);
      }
    }
  }
}

}  // namespace
}  // namespace convoy::cuda
