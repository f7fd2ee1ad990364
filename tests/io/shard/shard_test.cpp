// Shards: what is written comes back, and nothing that is wrong is believed.
#include "io/shard/shard.hpp"

#include "io/hdf5/hdf5.hpp"
#include "tests/io/io_testing.hpp"

// HDF5 loses some memory when it gives up on damaged metadata; AddressSanitizer asks this function what to overlook.
extern "C" const char* __lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libhdf5\n";
}

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Where the data of a dataset lie in a file.
hdf5::Region region_of(const std::string& path, const std::string& dataset) {
  const hdf5::Session session;
  return hdf5::describe(hdf5::open_file(path), dataset).data;
}

void expect_image(const ShardReader& shard, int64_t row, int64_t sample) {
  std::vector<uint8_t> image(static_cast<size_t>(shard.header().image.count()));
  shard.read(row, image.data());
  EXPECT_EQ(image, made_up_image(sample, shard.header().image)) << row;
}

TEST(Shard, ComesBackAsWritten) {
  const TempFolder folder;
  ShardHeader header = header_of({.samples = 7});
  header.classes = {"zero", "one", "", "Straße", "4", "5", "6", "7", "8", "9"};
  header.shard = 2;
  header.shards = 4;
  {
    ShardWriter writer(folder / "a.h5", header);
    std::vector<uint8_t> images;
    std::vector<int32_t> labels;
    for (int64_t i = 0; i < 7; ++i) {
      const auto image = made_up_image(i, header.image);
      images.insert(images.end(), image.begin(), image.end());
      labels.push_back(made_up_label(i));
    }
    writer.append(images.data(), labels.data(), 3);
    writer.append(nullptr, nullptr, 0);
    writer.append(images.data() + 3 * 24, labels.data() + 3, 4);
    EXPECT_THAT(names_in(folder.path()), ElementsAre(testing::StartsWith(".")));
    writer.commit();
  }
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a.h5"));

  const ShardReader shard(folder / "a.h5");
  EXPECT_EQ(shard.path(), folder / "a.h5");
  EXPECT_EQ(shard.header().image, (Shape{4, 3, 2}));
  EXPECT_EQ(shard.header().dtype, DType::u8);
  EXPECT_EQ(shard.header().count, 7);
  EXPECT_EQ(shard.header().classes, header.classes);
  EXPECT_EQ(shard.header().class_count, 10);
  EXPECT_EQ(shard.header().encoding, Encoding::raw);
  EXPECT_EQ(shard.header().dataset_id, "made-up");
  EXPECT_EQ(shard.header().shard, 2);
  EXPECT_EQ(shard.header().shards, 4);
  EXPECT_TRUE(shard.has_checksums());
  EXPECT_THAT(shard.labels(), ElementsAre(0, 7, 4, 1, 8, 5, 2));
  for (int64_t row = 0; row < 7; ++row) expect_image(shard, row, row);
}

TEST(Shard, KeepsAThousandLongClassNames) {
  const TempFolder folder;
  ShardHeader header = header_of({.samples = 1});
  // 200 KB: more than the 64 KiB that an HDF5 object header takes.
  for (int i = 0; i < 1000; ++i) header.classes.push_back(std::to_string(i) + std::string(200, 'n'));
  const int32_t label = 999;
  ShardWriter writer(folder / "a.h5", header);
  writer.append(made_up_image(0, header.image).data(), &label, 1);
  writer.commit();
  EXPECT_EQ(ShardReader(folder / "a.h5").header().classes, header.classes);
}

TEST(Shard, ReadsNeighbouringRowsAtOnce) {
  const TempFolder folder;
  ShardReader shard(write_made_up(folder.path()).front());
  for (const bool held : {false, true}) {
    if (held) shard.hold_in_memory();
    std::vector<uint8_t> images(5 * 24), expected;
    shard.read(11, 5, images.data());
    for (int64_t i = 11; i < 16; ++i) {
      const auto image = made_up_image(i, {4, 3, 2});
      expected.insert(expected.end(), image.begin(), image.end());
    }
    EXPECT_EQ(images, expected);
    shard.read(20, 0, images.data());
    EXPECT_THAT(error_of(ExitCode::internal, [&] { shard.read(16, 5, images.data()); }), HasSubstr("of 20"));
    EXPECT_THAT(error_of(ExitCode::internal, [&] { shard.read(-1, images.data()); }), HasSubstr("-1"));
  }
}

TEST(Shard, ImagesAreContiguousOnA4096ByteBorder) {
  const TempFolder folder;
  for (const Shape& image : {Shape{1, 1, 1}, Shape{28, 28, 1}, Shape{64, 64, 3}}) {
    const std::string path = write_made_up(folder.path(), {.image = image, .samples = 3}).front();
    EXPECT_EQ(region_of(path, "images").offset % 4096, 0u) << image.text();
    EXPECT_EQ(region_of(path, "images").bytes, static_cast<uint64_t>(3 * image.count()));
    const ShardReader shard(path);
    for (int64_t row = 0; row < 3; ++row) expect_image(shard, row, row);
  }
}

TEST(Shard, TheSameContentGivesTheSameBytes) {
  const TempFolder a, b;
  const std::string first = bytes_of_file(write_made_up(a.path()).front());
  await_next_second();  // HDF5 would note the time
  EXPECT_EQ(bytes_of_file(write_made_up(b.path()).front()), first);
}

TEST(ShardWriter, LeavesNothingWhenItIsNotCommitted) {
  const TempFolder folder;
  const int32_t label = 1;
  { ShardWriter begun(folder / "a.h5", header_of({.samples = 2})); }
  {
    ShardWriter half(folder / "a.h5", header_of({.samples = 2}));
    half.append(made_up_image(0, {4, 3, 2}).data(), &label, 1);
  }
  {
    ShardWriter whole(folder / "a.h5", header_of({.samples = 1}));
    whole.append(made_up_image(0, {4, 3, 2}).data(), &label, 1);
    whole.finish();
    error_of(ExitCode::internal, [&] { whole.append(made_up_image(0, {4, 3, 2}).data(), &label, 1); });
  }
  EXPECT_THAT(names_in(folder.path()), IsEmpty());
}

TEST(ShardWriter, OnAFullDiskSaysSoAndLeavesNothing) {
  SmallDisk disk(64);
  SKIP_UNLESS_MOUNTED(disk);
  const std::string message = error_of(ExitCode::storage, [&] {
    write_made_up(disk.path(), {.image = {28, 28, 1}, .samples = 100});
  });
  EXPECT_THAT(message, AllOf(HasSubstr(disk.path() + "/part-0.h5"), HasSubstr("No space left on device")));
  EXPECT_THAT(names_in(disk.path()), IsEmpty());
}

TEST(ShardReader, MissingOrNotHdf5) {
  const TempFolder folder;
  const auto error_for = [&](const std::string& name) {
    const std::string message = error_of(ExitCode::data, [&] { ShardReader(folder / name); });
    EXPECT_THAT(message, HasSubstr(folder / name));
    return message;
  };
  EXPECT_THAT(error_for("nowhere.h5"), HasSubstr("No such file"));
  std::filesystem::create_directory(folder / "folder.h5");
  EXPECT_THAT(error_for("folder.h5"), HasSubstr("is a folder"));
  write_bytes(folder / "empty.h5", "");
  EXPECT_THAT(error_for("empty.h5"), HasSubstr("is empty"));
  write_bytes(folder / "text.h5", std::string(5000, 'x'));
  EXPECT_THAT(error_for("text.h5"), HasSubstr("is not an HDF5 file"));
}

TEST(ShardReader, CutShortAnywhereNamesBothSizes) {
  const TempFolder folder;
  const std::string path = write_made_up(folder.path(), {.image = {28, 28, 1}}).front();
  const std::string whole = bytes_of_file(path);
  for (size_t size : {size_t{48}, size_t{4095}, size_t{5000}, whole.size() / 2, whole.size() - 1}) {
    write_bytes(path, whole.substr(0, size));
    EXPECT_THAT(error_of(ExitCode::data, [&] { ShardReader reader(path); }),
                AllOf(HasSubstr(path), HasSubstr("cut short"),
                      HasSubstr(std::to_string(size) + " bytes of " + std::to_string(whole.size()))));
  }
}

TEST(ShardReader, CutShortWhileItIsOpen) {
  const TempFolder folder;
  const std::string path = write_made_up(folder.path(), {.image = {28, 28, 1}}).front();
  const ShardReader shard(path);
  const uint64_t offset = region_of(path, "images").offset + 3 * 784;
  std::filesystem::resize_file(path, offset + 100);
  std::vector<uint8_t> images(20 * 784);
  shard.read(0, 3, images.data());
  for (const int64_t count : {1, 5}) {
    EXPECT_THAT(error_of(ExitCode::data, [&] { shard.read(4 - count > 0 ? 3 : 0, count, images.data()); }),
                AllOf(HasSubstr(path), HasSubstr("image 3 at byte " + std::to_string(offset)), HasSubstr("cut short")));
  }
}

TEST(ShardReader, AFlippedByteInAnImageIsNamed) {
  const TempFolder folder;
  const std::string path = write_made_up(folder.path()).front();
  const uint64_t offset = region_of(path, "images").offset + 13 * 24;
  for (const uint64_t at : {offset, offset + 11, offset + 23}) {
    flip_byte(path, at);
    ShardReader shard(path);
    std::vector<uint8_t> images(20 * 24);
    for (const bool held : {false, true}) {
      if (held) shard.hold_in_memory();
      const auto matches =
          AllOf(HasSubstr(path), HasSubstr("image 13 at byte " + std::to_string(offset)), HasSubstr("damaged"));
      EXPECT_THAT(error_of(ExitCode::data, [&] { shard.read(13, images.data()); }), matches);
      EXPECT_THAT(error_of(ExitCode::data, [&] { shard.read(0, 20, images.data()); }), matches);
      expect_image(shard, 12, 12);
      expect_image(shard, 14, 14);
    }
    flip_byte(path, at);
  }
}

TEST(ShardReader, AFlippedByteInTheChecksumsIsNamed) {
  const TempFolder folder;
  const std::string path = write_made_up(folder.path()).front();
  flip_byte(path, region_of(path, "crc32c").offset + 4 * 5 + 2);
  const ShardReader shard(path);
  std::vector<uint8_t> image(24);
  EXPECT_THAT(error_of(ExitCode::data, [&] { shard.read(5, image.data()); }),
              AllOf(HasSubstr(path), HasSubstr("image 5 ")));
  expect_image(shard, 4, 4);
}

TEST(ShardReader, AFlippedByteInTheLabelsIsNamed) {
  const TempFolder folder;
  const std::string path = write_made_up(folder.path()).front();
  const hdf5::Region labels = region_of(path, "labels");
  for (uint64_t at = labels.offset; at < labels.offset + labels.bytes; ++at) {
    flip_byte(path, at);
    EXPECT_THAT(error_of(ExitCode::data, [&] { ShardReader reader(path); }),
                AllOf(HasSubstr(path), HasSubstr("labels are damaged")));
    flip_byte(path, at);
  }
}

TEST(ShardReader, NoFlippedByteAnywhereIsBelieved) {
  const TempFolder folder;
  const std::string path = write_made_up(folder.path()).front();
  const std::string whole = bytes_of_file(path);
  for (size_t at = 0; at < whole.size(); at += at < 200 ? 1 : 7) {
    flip_byte(path, at);
    try {
      const ShardReader shard(path);
      // Bytes that nothing depends on may be opened; then the content must be what was written.
      ASSERT_EQ(shard.header().image, (Shape{4, 3, 2})) << at;
      ASSERT_EQ(shard.header().count, 20) << at;
      std::vector<uint8_t> image(24);
      for (int64_t row = 0; row < 20; ++row) {
        ASSERT_EQ(shard.labels()[static_cast<size_t>(row)], made_up_label(row)) << at;
        shard.read(row, image.data());
        ASSERT_EQ(image, made_up_image(row, {4, 3, 2})) << at;
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data) << at << ": " << error.what();
      EXPECT_THAT(error.what(), HasSubstr(path));
    }
    flip_byte(path, at);
  }
}

}  // namespace
}  // namespace convoy
