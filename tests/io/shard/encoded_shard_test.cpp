// Encoded shards: bytes and offsets come back as written, and nothing that is wrong is believed.
#include "io/hdf5/hdf5.hpp"
#include "io/shard/dataset.hpp"
#include "io/shard/shard.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// Bytes that stand for an encoded image: their number differs from sample to sample.
std::vector<std::byte> made_up_file(int64_t sample) {
  std::vector<std::byte> file(static_cast<size_t>(50 + sample * 13 % 40));
  for (size_t i = 0; i < file.size(); ++i) file[i] = static_cast<std::byte>(static_cast<size_t>(sample) * 5 + i * 3);
  return file;
}

Image made_up_pixels(int64_t height, int64_t width, uint8_t value) {
  return {.height = height,
          .width = width,
          .channels = 3,
          .pixels = std::vector<uint8_t>(static_cast<size_t>(height * width * 3), value)};
}

struct Part {
  int64_t begin = 0, end = 0;
  int shard = 0, shards = 1;
  int64_t growth = 1;  // of the height from sample to sample
};

std::string write_encoded(const std::string& folder, const Part& part) {
  std::string path = folder + "/part-" + std::to_string(part.shard) + ".h5";
  ShardHeader header{.image = {0, 0, 3}, .encoding = Encoding::jpeg, .class_count = 10, .dataset_id = "made-up"};
  header.shard = part.shard;
  header.shards = part.shards;
  ShardWriter writer(path, header);
  for (int64_t i = part.begin; i < part.end; ++i) {
    writer.append_encoded(made_up_file(i), made_up_label(i),
                          made_up_pixels(2 + i * part.growth, 3, static_cast<uint8_t>(i)));
  }
  writer.commit();
  return path;
}

hdf5::Region region_of(const std::string& path, const std::string& dataset) {
  const hdf5::Session session;
  return hdf5::describe(hdf5::open_file(path), dataset).data;
}

TEST(EncodedShard, ComesBackAsWritten) {
  const TempFolder folder;
  const std::string path = write_encoded(folder.path(), {.end = 7});
  EXPECT_EQ(region_of(path, "bytes").offset % 4096, 0u);
  const ShardReader shard(path);
  EXPECT_EQ(shard.header().encoding, Encoding::jpeg);
  EXPECT_EQ(shard.header().count, 7);
  EXPECT_EQ(shard.header().image, (Shape{0, 0, 3}));
  EXPECT_THAT(shard.labels(), ElementsAre(0, 7, 4, 1, 8, 5, 2));
  EXPECT_TRUE(shard.has_checksums());
  std::vector<std::byte> encoded;
  for (const int64_t row : {0, 6, 3, 1, 5}) {
    shard.read_encoded(row, encoded);
    EXPECT_EQ(encoded, made_up_file(row));
  }
  EXPECT_THAT(error_of(ExitCode::internal, [&] { shard.read_encoded(7, encoded); }), HasSubstr("of 7"));
  EXPECT_THAT(error_of(ExitCode::internal, [&] { shard.read(0, encoded.data()); }), HasSubstr("encoded"));
}

TEST(EncodedShard, KnowsTheSizeThatAllImagesHave) {
  const TempFolder folder;
  write_encoded(folder.path(), {.end = 3, .growth = 0});
  const Dataset dataset(folder.path());
  EXPECT_EQ(dataset.image(), (Shape{2, 3, 3}));
  EXPECT_EQ(dataset.encoding(), Encoding::jpeg);
}

TEST(EncodedShard, StatisticsAreThoseOfThePixels) {
  const TempFolder folder;
  const ShardReader shard(write_encoded(folder.path(), {.begin = 0, .end = 3}));
  // Samples 0, 1 and 2 are of values 0, 1, 2 and 2, 3, 4 rows: (0 * 2 + 1 * 3 + 2 * 4) / 9.
  EXPECT_THAT(shard.header().mean, ElementsAre(11 / 9.0, 11 / 9.0, 11 / 9.0));
  EXPECT_NEAR(shard.header().deviation.front(), std::sqrt(19 / 9.0 - 121 / 81.0), 1e-15);
  EXPECT_TRUE(shard.mean_image().empty());
}

TEST(EncodedShard, StatisticsOfADatasetDoNotDependOnItsShards) {
  const TempFolder one, two;
  write_encoded(one.path(), {.end = 5});
  write_encoded(two.path(), {.end = 1, .shard = 0, .shards = 2});  // the smallest image alone
  write_encoded(two.path(), {.begin = 1, .end = 5, .shard = 1, .shards = 2});
  const Dataset whole(one.path()), parts(two.path());
  EXPECT_EQ(parts.header().mean, whole.header().mean);
  EXPECT_EQ(parts.header().deviation, whole.header().deviation);
}

TEST(EncodedShard, SeveralMakeADatasetAlsoWhereSizesDiffer) {
  const TempFolder folder;
  write_encoded(folder.path(), {.end = 1, .shard = 0, .shards = 3});
  write_encoded(folder.path(), {.begin = 1, .end = 1, .shard = 1, .shards = 3});
  write_encoded(folder.path(), {.begin = 1, .end = 4, .shard = 2, .shards = 3});
  const Dataset dataset(folder.path());
  EXPECT_EQ(dataset.size(), 4);
  EXPECT_EQ(dataset.image(), (Shape{0, 0, 3}));
  EXPECT_EQ(dataset.header().count, 4);
}

TEST(EncodedShard, DoesNotBelongWithARawOne) {
  const TempFolder folder;
  write_encoded(folder.path(), {.end = 2, .shard = 0, .shards = 2});
  write_made_up(folder.path(), {.image = {2, 3, 3}, .shards = 2});
  write_encoded(folder.path(), {.end = 2, .shard = 0, .shards = 2});
  EXPECT_THAT(error_of(ExitCode::data, [&] { Dataset dataset(folder.path()); }),
              HasSubstr("raw images and encoded ones"));
}

TEST(EncodedShard, AFlippedByteIsNamedWithItsPlace) {
  const TempFolder folder;
  const std::string path = write_encoded(folder.path(), {.end = 5});
  const ShardReader shard(path);
  const uint64_t begin = region_of(path, "bytes").offset + made_up_file(0).size() + made_up_file(1).size();
  flip_byte(path, begin + 5);
  std::vector<std::byte> encoded;
  shard.read_encoded(1, encoded);
  shard.read_encoded(3, encoded);
  EXPECT_THAT(error_of(ExitCode::data, [&] { shard.read_encoded(2, encoded); }),
              AllOf(HasSubstr(path), HasSubstr("image 2 at byte " + std::to_string(begin)), HasSubstr("damaged")));
  EXPECT_EQ(shard.place_of(2), path + ": image 2 at byte " + std::to_string(begin));
}

TEST(EncodedShard, AFlippedByteInTheOffsetsIsNamed) {
  const TempFolder folder;
  const std::string path = write_encoded(folder.path(), {.end = 5});
  const hdf5::Region offsets = region_of(path, "offsets");
  for (uint64_t at = offsets.offset; at < offsets.offset + offsets.bytes; ++at) {
    flip_byte(path, at);
    EXPECT_THAT(error_of(ExitCode::data, [&] { ShardReader reader(path); }),
                AllOf(HasSubstr(path), HasSubstr("offsets are damaged")));
    flip_byte(path, at);
  }
}

TEST(EncodedShard, CutShortWhileItIsOpen) {
  const TempFolder folder;
  const std::string path = write_encoded(folder.path(), {.end = 5});
  const ShardReader shard(path);
  const uint64_t begin = region_of(path, "bytes").offset + made_up_file(0).size();
  std::filesystem::resize_file(path, begin + 3);
  std::vector<std::byte> encoded;
  shard.read_encoded(0, encoded);
  EXPECT_THAT(error_of(ExitCode::data, [&] { shard.read_encoded(1, encoded); }),
              AllOf(HasSubstr("image 1 at byte " + std::to_string(begin)), HasSubstr("cut short")));
}

}  // namespace
}  // namespace convoy
