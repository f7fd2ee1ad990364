// Text helpers.
#include "core/base/text.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace convoy {
namespace {

TEST(NearestWord, FindsTypingErrors) {
  const std::vector<std::string> keys = {"learning-rate", "momentum", "weight-decay", "batch", "net", "seed"};
  EXPECT_EQ(nearest_word("learning_rate", keys), "learning-rate");
  EXPECT_EQ(nearest_word("learnign-rate", keys), "learning-rate");
  EXPECT_EQ(nearest_word("momentun", keys), "momentum");
  EXPECT_EQ(nearest_word("bacth", keys), "batch");
  EXPECT_EQ(nearest_word("nett", keys), "net");
  EXPECT_EQ(nearest_word("Seed", keys), "seed");
}

TEST(NearestWord, TakesTheNearest) {
  EXPECT_EQ(nearest_word("conw", {"cone", "conv", "cow"}), "cone");  // equally near: the first
  EXPECT_EQ(nearest_word("maxpol", {"avgpool", "maxpool"}), "maxpool");
}

TEST(NearestWord, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest_word("optimizer", {"batch", "net", "seed"}), "");
  EXPECT_EQ(nearest_word("x", {"K", "F", "S"}), "");
  EXPECT_EQ(nearest_word("", {"a", "net"}), "");
  EXPECT_EQ(nearest_word("net", {}), "");
}

TEST(WithCommas, GroupsThousands) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(61100840), "61,100,840");
  EXPECT_EQ(with_commas(-1000), "-1,000");
  EXPECT_EQ(with_commas(-999), "-999");
  EXPECT_EQ(with_commas(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(HumanBytes, PicksTheUnit) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(1789952), "1.7 MiB");
  EXPECT_EQ(human_bytes((uint64_t{1} << 20) - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(uint64_t{3} << 30), "3.0 GiB");
  EXPECT_EQ(human_bytes(std::numeric_limits<uint64_t>::max()), "16.0 EiB");
}

TEST(Join, PutsTheSeparatorBetween) {
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join({"a"}, ", "), "a");
  EXPECT_EQ(join({"a", "b", ""}, ", "), "a, b, ");
}

TEST(SplitCommas, LeavesOutTheBlanksAroundParts) {
  EXPECT_EQ(split_commas("a, b c ,d"), (std::vector<std::string>{"a", "b c", "d"}));
  EXPECT_EQ(split_commas(""), (std::vector<std::string>{""}));
}

}  // namespace
}  // namespace convoy
