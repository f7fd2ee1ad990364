// The index of a tar archive: where the data of each member lie, and where an archive was cut off.
#include "io/importers/tar_index.hpp"

#include "tests/io/importers/tar_files.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Tar : public testing::Test {
 protected:
  TarIndex index(const std::string& bytes, uint64_t begin = 0, uint64_t count = ~uint64_t{0}) {
    write_bytes(path_, bytes);
    file_ = open_to_read(path_);
    return index_tar(file_, "shown.tar", begin, std::min<uint64_t>(count, bytes.size() - begin));
  }
  std::string data_of(const TarMember& member) {
    std::string data(member.bytes, '?');
    EXPECT_EQ(read_at(file_, path_, data.data(), data.size(), member.offset), data.size());
    return data;
  }

  TempFolder folder_;
  const std::string path_ = folder_ / "a.tar";
  FileDescriptor file_;
};

const std::vector<std::pair<std::string, std::string>> files = {
    {"a/1.jpg", "first"}, {"./a/2.jpg", std::string(512, 'x')}, {"b/3.jpg", ""}, {"b/4.jpg", std::string(5000, 'y')}};

TEST_F(Tar, TellsWhereDataLie) {
  const TarIndex found = index(tar_of(files));
  EXPECT_EQ(found.damage, "");
  ASSERT_EQ(found.members.size(), files.size());
  for (size_t i = 0; i < files.size(); ++i) EXPECT_EQ(data_of(found.members[i]), files[i].second);
  EXPECT_EQ(found.members[0].name, "a/1.jpg");
  EXPECT_EQ(found.members[1].name, "a/2.jpg");
  EXPECT_EQ(found.members[0].offset, 512u);
}

TEST_F(Tar, ListsFilesOnly) {
  std::string bytes = tar_member("a/", "", '5') + tar_member("link", "", '2') + tar_member("hard", "", '1');
  bytes += tar_member("a/1.jpg", "first") + tar_end();
  const TarIndex found = index(bytes);
  ASSERT_EQ(found.members.size(), 1u);
  EXPECT_EQ(data_of(found.members[0]), "first");
  EXPECT_THAT(found.links, ElementsAre("link", "hard"));
}

TEST_F(Tar, AHardLinkIsOneMoreNameOfAMemberBeforeIt) {
  std::string bytes = tar_member("hard/0", "", '1', "b") + tar_member("b", "second") + tar_member("./a", "first");
  bytes += tar_member("hard/1", "", '1', "a") + tar_member("c", "third") + tar_member("hard/2", "", '1', "./hard/1");
  const TarIndex found = index(bytes + tar_end());
  EXPECT_EQ(found.damage, "");
  ASSERT_EQ(found.members.size(), 5u);
  for (const size_t i : {1, 2, 4}) EXPECT_EQ(data_of(found.members[i]), "first");
  EXPECT_EQ(found.members[2].name, "hard/1");
  EXPECT_EQ(data_of(found.members[3]), "third");
  EXPECT_THAT(found.links, ElementsAre("hard/0"));
}

TEST_F(Tar, ListsAnArchiveWithinAnArchive) {
  const std::string inner = tar_of(files);
  const TarIndex outer = index(tar_of({{"before", "x"}, {"inner.tar", inner}, {"after", "z"}}));
  ASSERT_EQ(outer.members.size(), 3u);
  const TarIndex found = index_tar(file_, "inner", outer.members[1].offset, outer.members[1].bytes);
  ASSERT_EQ(found.members.size(), files.size());
  for (size_t i = 0; i < files.size(); ++i) EXPECT_EQ(data_of(found.members[i]), files[i].second);
}

/// Wherever it is cut: an error, or the whole members before the cut and a word about it; never silence.
TEST_F(Tar, CutOffAnywhereIsNoticed) {
  const std::string bytes = tar_of(files);
  const size_t end = bytes.size() - tar_end().size();
  for (size_t length = 1; length <= end; length += length < 1600 ? 1 : 37) {
    TarIndex found;
    try {
      found = index(bytes.substr(0, length));
    } catch (const Error& error) {
      EXPECT_LT(length, 512u) << error.what();
      EXPECT_THAT(error.what(), AllOf(HasSubstr("shown.tar: is no tar archive"), HasSubstr("; ")));
      continue;
    }
    EXPECT_THAT(found.damage, AllOf(HasSubstr("shown.tar: is cut short"), HasSubstr("byte"))) << length;
    for (size_t i = 0; i < found.members.size(); ++i) EXPECT_EQ(data_of(found.members[i]), files[i].second) << length;
  }
  EXPECT_THAT(index(bytes.substr(0, end)).damage, HasSubstr("no mark of the end"));
  EXPECT_EQ(index(bytes.substr(0, end)).members.size(), files.size());
  EXPECT_THAT(index(bytes.substr(0, end + 512)).damage, IsEmpty());  // GNU tar takes one block, too
}

TEST_F(Tar, DamagedHeadersAreNoticed) {
  std::string bytes = tar_of(files);
  bytes[1024 + 130] = '7';  // in the second member's size: the checksum does not agree
  const TarIndex found = index(bytes);
  EXPECT_EQ(found.members.size(), 1u);
  EXPECT_THAT(found.damage, AllOf(HasSubstr("a/1.jpg"), HasSubstr("damaged")));
}

TEST_F(Tar, WhatIsNoTar) {
  for (const std::string& bytes : {std::string("hello"), std::string(3000, 'x'), std::string(2048, '\0')}) {
    EXPECT_THAT(error_of(ExitCode::data, [&] { index(bytes); }), HasSubstr("shown.tar"));
  }
}

}  // namespace
}  // namespace convoy
