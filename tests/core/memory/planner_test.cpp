#include "core/memory/planner.hpp"

#include <gtest/gtest.h>

#include "core/base/random.hpp"

namespace convoy {
namespace {

void expect_no_overlap(const std::vector<Lifetime>& lives, const Placement& placement) {
  for (size_t a = 0; a < lives.size(); ++a) {
    EXPECT_EQ(placement.offsets[a] % 256, 0u);
    EXPECT_LE(placement.offsets[a] + lives[a].bytes, placement.bytes);
    for (size_t b = a + 1; b < lives.size(); ++b) {
      const bool together = lives[a].first <= lives[b].last && lives[b].first <= lives[a].last;
      const bool apart = placement.offsets[a] + lives[a].bytes <= placement.offsets[b] ||
                         placement.offsets[b] + lives[b].bytes <= placement.offsets[a];
      EXPECT_TRUE(!together || apart) << a << " and " << b;
    }
  }
}

TEST(Planner, BuffersThatNeverMeetShareMemory) {
  const std::vector<Lifetime> lives{{"a", 1000, 0, 1}, {"b", 1000, 2, 3}, {"c", 500, 1, 2}};
  const Placement placement = place(lives);
  expect_no_overlap(lives, placement);
  EXPECT_EQ(placement.bytes, 1024u + 512u);
}

TEST(Planner, TouchingTicksDoNotShare) {
  const std::vector<Lifetime> lives{{"a", 256, 0, 1}, {"b", 256, 1, 2}};
  EXPECT_EQ(place(lives).bytes, 512u);
}

TEST(Planner, RandomLivesNeverOverlap) {
  const RandomStream random(3, RandomPurpose::test, 0);
  for (uint64_t round = 0; round < 50; ++round) {
    std::vector<Lifetime> lives;
    for (uint64_t i = 0; i < 40; ++i) {
      const PhiloxBlock words = random.block(round * 100 + i);
      const int first = static_cast<int>(words.word[0] % 30);
      lives.push_back({"", words.word[1] % 5000, first, first + static_cast<int>(words.word[2] % 8)});
    }
    expect_no_overlap(lives, place(lives));
  }
}

TEST(Planner, NothingNeedsNothing) {
  EXPECT_EQ(place({}).bytes, 0u);
}

}  // namespace
}  // namespace convoy
