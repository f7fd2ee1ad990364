// Lists of what an import leaves out.
#include "io/importers/skipped.hpp"

#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::ElementsAre;

std::vector<std::string> names_of(const std::vector<Skipped>& skipped) {
  std::vector<std::string> names;
  for (const Skipped& one : skipped) names.push_back(one.name);
  return names;
}

TEST(Skipped, TheReasonIsTheMessageWithoutNameAndRemedy) {
  EXPECT_EQ(reason_of("a/b: is empty; fetch it again", "a/b"), "is empty");
  EXPECT_EQ(reason_of("a/b: x; y; fetch it again", "a/b"), "x; y");
  EXPECT_EQ(reason_of("elsewhere: is gone", "a/b"), "elsewhere: is gone");
}

TEST(Skipped, GathersShardByShardOnce) {
  const TempFolder folder;
  save_skipped_of_shard(folder.path(), 1, {{.name = "c", .reason = "broken"}});
  save_skipped_of_shard(folder.path(), 0, {{.name = "a", .reason = "empty"}, {.name = "b\n\t", .reason = "x\ty"}});
  save_skipped_of_shard(folder.path(), 2, {});
  EXPECT_THAT(names_of(gather_skipped(folder.path(), 3, {})), ElementsAre("a", "b??", "c"));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("skipped.txt"));
  EXPECT_EQ(bytes_of_file(folder / "skipped.txt"), "a\tempty\nb??\tx?y\nc\tbroken\n");
  // An import of which all is there already, and one that ended between writing skipped.txt and removing the parts.
  EXPECT_EQ(gather_skipped(folder.path(), 3, {}).size(), 3u);
  save_skipped_of_shard(folder.path(), 1, {{.name = "c", .reason = "broken"}});
  EXPECT_EQ(gather_skipped(folder.path(), 3, {}).size(), 3u);
  EXPECT_EQ(bytes_of_file(folder / "skipped.txt"), "a\tempty\nb??\tx?y\nc\tbroken\n");
}

TEST(Skipped, DamagedArchivesAreNamedButAreNoSamples) {
  const TempFolder folder;
  const std::vector<std::string> damage = {"a.tar: is cut short", "b.tar: c.tar: is cut short"};
  save_skipped_of_shard(folder.path(), 0, {{.name = "x", .reason = "empty"}});
  for (int call = 0; call < 2; ++call) {
    EXPECT_THAT(names_of(gather_skipped(folder.path(), 1, damage)), ElementsAre("x")) << call;
    EXPECT_EQ(bytes_of_file(folder / "skipped.txt"), "x\tempty\na.tar\tis cut short\nb.tar\tc.tar: is cut short\n");
  }
}

TEST(Skipped, NothingToSayIsNoFile) {
  const TempFolder folder;
  EXPECT_TRUE(gather_skipped(folder.path(), 3, {}).empty());
  save_skipped_of_shard(folder.path(), 1, {{.name = "c", .reason = "broken"}});
  save_skipped_of_shard(folder.path(), 1, {});  // made again, and whole this time
  EXPECT_TRUE(gather_skipped(folder.path(), 3, {}).empty());
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(Skipped, GroupsByReasonWhateverTheNumbers) {
  std::vector<Skipped> skipped;
  for (int i = 0; i < 5; ++i) skipped.push_back({.name = concat("n", i), .reason = concat("cut after ", i * 40)});
  skipped.push_back({.name = "other", .reason = "cut after dinner"});
  const std::vector<SkippedGroup> groups = group_skipped(skipped);
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].count, 5u);
  EXPECT_EQ(groups[0].reason, "cut after 0");
  EXPECT_THAT(groups[0].names, ElementsAre("n0", "n1", "n2"));
}

}  // namespace
}  // namespace convoy
