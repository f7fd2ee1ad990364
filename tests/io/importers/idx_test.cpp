// IDX files, whole ones and all the ways in which they are wrong.
#include "io/importers/idx.hpp"

#include <sys/stat.h>

#include "tests/io/importers/idx_files.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Idx : public testing::Test {
 protected:
  /// The message that reading a file of these bytes ends in; it names the file.
  std::string error_for(const std::string& bytes, const std::string& name = "a.idx") {
    write_bytes(folder_ / name, bytes);
    const std::string message = error_of(ExitCode::data, [&] { read_idx(folder_ / name); });
    EXPECT_THAT(message, HasSubstr(folder_ / name));
    return message;
  }

  TempFolder folder_;
  const std::string data_ = noise(1000 * 6);
  const std::string whole_ = idx_bytes({1000, 3, 2}, data_);
};

TEST_F(Idx, ReadsPlainFiles) {
  write_bytes(folder_ / "a", whole_);
  const IdxArray array = read_idx(folder_ / "a");
  EXPECT_THAT(array.dimensions, ElementsAre(1000, 3, 2));
  EXPECT_EQ(std::string(array.data.begin(), array.data.end()), data_);
}

TEST_F(Idx, ReadsGzippedFilesUnderAnyName) {
  for (const char* name : {"a.gz", "a"}) {
    write_bytes(folder_ / name, gzipped(whole_));
    const IdxArray array = read_idx(folder_ / name);
    EXPECT_THAT(array.dimensions, ElementsAre(1000, 3, 2));
    EXPECT_EQ(std::string(array.data.begin(), array.data.end()), data_);
  }
}

TEST_F(Idx, ReadsChainedGzipMembers) {
  write_bytes(folder_ / "a.gz", gzipped(whole_.substr(0, 100)) + gzipped(whole_.substr(100)));
  EXPECT_EQ(read_idx(folder_ / "a.gz").data.size(), data_.size());
}

TEST_F(Idx, ReadsArraysOfNothing) {
  write_bytes(folder_ / "a", idx_bytes({0, 28, 28}, ""));
  EXPECT_THAT(read_idx(folder_ / "a").dimensions, ElementsAre(0, 28, 28));
}

TEST_F(Idx, MissingOrNotAFile) {
  EXPECT_THAT(error_of(ExitCode::data, [&] { read_idx(folder_ / "nowhere"); }),
              AllOf(HasSubstr(folder_ / "nowhere"), HasSubstr("No such file")));
  EXPECT_THAT(error_of(ExitCode::data, [&] { read_idx(folder_.path()); }), HasSubstr("is a folder"));
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of(ExitCode::data, [&] { read_idx(folder_ / "pipe"); }), HasSubstr("not a regular file"));
  EXPECT_THAT(error_for(""), HasSubstr("is empty"));
}

TEST_F(Idx, NamedGzipButIsNot) {
  EXPECT_THAT(error_for("<html>404 Not Found</html>", "a.gz"), HasSubstr("named .gz but is not gzipped"));
  EXPECT_THAT(error_for(whole_, "a.gz"), HasSubstr("named .gz but is not gzipped"));
}

TEST_F(Idx, GzipCutShortAnywhere) {
  const std::string packed = gzipped(whole_);
  for (size_t length : {size_t{2}, size_t{5}, size_t{11}, size_t{30}, packed.size() / 2, packed.size() - 9,
                        packed.size() - 8, packed.size() - 1}) {
    EXPECT_THAT(error_for(packed.substr(0, length), "a.gz"), HasSubstr("gzip data are cut short")) << length;
  }
}

TEST_F(Idx, GzipDamagedAnywhere) {
  const std::string packed = gzipped(whole_);
  // Past the header, whose time and system may be anything, and the first byte of the data, which has bits to spare.
  for (size_t at = 11; at < packed.size(); at += 101) {
    std::string damaged = packed;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    write_bytes(folder_ / "a.gz", damaged);
    EXPECT_THAT(error_of(ExitCode::data, [&] { read_idx(folder_ / "a.gz"); }), HasSubstr(folder_ / "a.gz")) << at;
  }
  std::string damaged = packed;
  damaged[packed.size() - 6] = static_cast<char>(damaged[packed.size() - 6] ^ 1);
  EXPECT_THAT(error_for(damaged), AllOf(HasSubstr("gzip data are damaged"), HasSubstr("data check")));
}

TEST_F(Idx, BytesAfterTheGzipData) {
  const std::string packed = gzipped(whole_);
  EXPECT_THAT(error_for(packed + "rubbish"), AllOf(HasSubstr("after the end of its gzip data"),
                                                   HasSubstr("from byte " + std::to_string(packed.size()))));
}

TEST_F(Idx, WrongMagic) {
  EXPECT_THAT(error_for("\x7f"
                        "ELF" +
                        std::string(100, 'x')),
              AllOf(HasSubstr("not an IDX file"), HasSubstr("magic number is 0x7f454c46")));
  EXPECT_THAT(error_for(gzipped("hello, world")), HasSubstr("magic number is 0x68656c6c"));
  EXPECT_THAT(error_for(std::string(2, '\0')), HasSubstr("magic number is 0x0000,"));
}

TEST_F(Idx, OtherElementTypesAndRanks) {
  EXPECT_THAT(error_for(idx_bytes({2}, std::string(8, 'x'), 0x0D)), AllOf(HasSubstr("0x00000d01"), HasSubstr("float")));
  EXPECT_THAT(error_for(idx_bytes({2}, "ab", 0x07)), HasSubstr("unknown"));
  EXPECT_THAT(error_for(idx_bytes({}, "ab")), HasSubstr("0 dimensions"));
  EXPECT_THAT(error_for(idx_bytes({1, 1, 1, 1, 2}, "ab")), HasSubstr("5 dimensions"));
}

TEST_F(Idx, EndsWithinItsDimensions) {
  EXPECT_THAT(error_for(idx_bytes({2, 3, 4}, "").substr(0, 10)), HasSubstr("ends within its 3 dimensions"));
}

TEST_F(Idx, FewerOrMoreBytesThanItsDimensionsSay) {
  for (const bool packed : {false, true}) {
    const auto as_stored = [&](const std::string& bytes) { return packed ? gzipped(bytes) : bytes; };
    EXPECT_THAT(error_for(as_stored(whole_.substr(0, whole_.size() - 1))),
                AllOf(HasSubstr("fewer"), HasSubstr("1000x3x2"), HasSubstr("5999 where 6000")));
    EXPECT_THAT(error_for(as_stored(whole_ + "xyz")),
                AllOf(HasSubstr("more"), HasSubstr("1000x3x2"), HasSubstr("6003 where 6000")));
  }
}

TEST_F(Idx, DimensionsBeyondReason) {
  EXPECT_THAT(error_for(idx_bytes({1u << 31, 1u << 31, 1u << 31, 4}, "x")), HasSubstr("more than 16 GiB"));
  EXPECT_THAT(error_for(idx_bytes({(1u << 30) + 1, 16}, "x")), HasSubstr("more than 16 GiB"));
  // 16 GiB are allowed, and missing here; nothing of that size may be taken from memory to find out.
  EXPECT_THAT(error_for(idx_bytes({1u << 30, 16}, "x")), HasSubstr("1 where 17179869184"));
  EXPECT_THAT(error_for(gzipped(idx_bytes({1u << 30, 16}, "x"))), HasSubstr("1 where 17179869184"));
}

}  // namespace
}  // namespace convoy
