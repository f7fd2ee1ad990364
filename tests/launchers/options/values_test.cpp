#include "launchers/options/values.hpp"

#include <gtest/gtest.h>

namespace convoy {
namespace {

TEST(Values, IntegersAreTheWholeText) {
  EXPECT_EQ(parse_integer("12"), 12);
  EXPECT_EQ(parse_integer("-3"), -3);
  for (const char* text : {"", " 1", "1 ", "1x", "1.0", "+1", "99999999999999999999"}) {
    EXPECT_EQ(parse_integer(text), std::nullopt) << text;
  }
}

TEST(Values, NumbersAreFinite) {
  EXPECT_EQ(parse_number("0.5"), 0.5);
  EXPECT_EQ(parse_number("1e-3"), 1e-3);
  for (const char* text : {"", "nan", "inf", "-inf", "1e999", "0.5.", "a"}) {
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
  }
}

TEST(Values, FractionsAreTwoNumbers) {
  EXPECT_EQ(parse_fraction("1/255"), 1.0 / 255);
  EXPECT_EQ(parse_fraction("0.25"), 0.25);
  for (const char* text : {"1/0", "1/", "/2", "1/2/3"}) EXPECT_EQ(parse_fraction(text), std::nullopt) << text;
  EXPECT_EQ(parse_fractions("1/2, 3"), (std::vector<double>{0.5, 3}));
  EXPECT_EQ(parse_fractions("1,,2"), std::nullopt);
}

TEST(Values, NumberTextReadsBackAsTheSameNumber) {
  EXPECT_EQ(number_text(0.05), "0.05");
  for (const double value : {1.0 / 3, 1e-300, 0.1 + 0.2}) EXPECT_EQ(parse_number(number_text(value)), value);
  for (const float value : {1.0f / 255, 72.9403f}) {
    EXPECT_EQ(static_cast<float>(*parse_number(number_text(value))), value);
  }
}

}  // namespace
}  // namespace convoy
