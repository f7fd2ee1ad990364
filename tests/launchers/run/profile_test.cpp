#include "launchers/run/profile.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/launchers/error_of.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Profile, IsFirstAndLastStep) {
  EXPECT_EQ(parse_profile("20-29"), (StepWindow{.first = 20, .last = 29}));
  EXPECT_EQ(parse_profile("1-1"), (StepWindow{.first = 1, .last = 1}));
  const StepWindow window = parse_profile("3-4");
  EXPECT_FALSE(window.empty());
  EXPECT_TRUE(window.contains(3) && window.contains(4));
  EXPECT_FALSE(window.contains(2) || window.contains(5));
}

TEST(Profile, NoneIsNoStep) {
  EXPECT_TRUE(parse_profile("none").empty());
  EXPECT_FALSE(parse_profile("none").contains(0));
}

TEST(Profile, AnythingElseIsAnErrorThatNamesTheKeyAndShowsAnExample) {
  for (const char* text : {"", "5", "5-", "-5", "-", "0-3", "-2-3", "9-8", "a-b", "1-2-3", "1 - 2", "1.5-3", "1--3"}) {
    EXPECT_THAT(error_of(ExitCode::usage, [&] { parse_profile(text); }),
                AllOf(HasSubstr("profile"), HasSubstr("20-29"), HasSubstr(text)))
        << text;
  }
}

TEST(Profile, LiesWithinTheRun) {
  EXPECT_EQ(profile_window("20-29", 29), (StepWindow{.first = 20, .last = 29}));
  EXPECT_TRUE(profile_window("none", 1).empty());
  EXPECT_THAT(error_of(ExitCode::usage, [] { profile_window("20-29", 28); }),
              AllOf(HasSubstr("profile 20-29"), HasSubstr("step 28")));
}

}  // namespace
}  // namespace convoy
