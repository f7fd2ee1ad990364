#include "launchers/run/class_names.hpp"

#include <gmock/gmock.h>

#include "core/base/error.hpp"

namespace convoy {
namespace {

using ::testing::HasSubstr;

std::string refusal(const std::vector<std::string>& names, const std::vector<std::string>& others) {
  try {
    check_same_classes("data", "folder", names, "elsewhere", class_note(others));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "";
}

std::vector<std::string> many(size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) names.push_back("n" + std::to_string(10'000'000 + i));
  return names;
}

TEST(ClassNames, AgreeWhereTheyAreTheSameOrNotTold) {
  EXPECT_EQ(refusal({"a", "b"}, {"a", "b"}), "");
  EXPECT_EQ(refusal({}, {"a"}), "");
  EXPECT_EQ(refusal({"a"}, {}), "");
  EXPECT_EQ(refusal(many(21'841), many(21'841)), "");
}

TEST(ClassNames, TheFirstDifferenceIsNamed) {
  EXPECT_THAT(refusal({"a", "c", "b"}, {"a", "b", "c"}),
              HasSubstr("data folder: class 1 is 'c', in elsewhere it is 'b'; import both"));
  EXPECT_THAT(refusal({"a"}, {"a", "b"}), HasSubstr("class 1 is nothing, in elsewhere it is 'b'"));
}

TEST(ClassNames, TooManyForAnAttributeAreComparedByAChecksum) {
  EXPECT_LT(class_note(many(21'841)).size(), 64u);
  std::vector<std::string> swapped = many(21'841);
  std::swap(swapped[3], swapped[20'000]);
  EXPECT_THAT(refusal(swapped, many(21'841)), HasSubstr("its classes are not those of elsewhere, or in another order"));
}

}  // namespace
}  // namespace convoy
