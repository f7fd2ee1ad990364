// Ways of reading a shard: past the page cache, unchecked, within a memory budget; and shards of the first version.
#include <fstream>

#include "io/direct_file.hpp"
#include "io/shard/dataset.hpp"
#include "tests/io/shard/foreign_file.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<uint8_t> all_images(const Dataset& dataset) {
  std::vector<uint8_t> images(static_cast<size_t>(dataset.size()) * dataset.image_bytes());
  std::vector<int32_t> labels(static_cast<size_t>(dataset.size()));
  dataset.read(0, dataset.size(), images.data(), labels.data());
  return images;
}

constexpr ReadOptions direct = {.access = ReadOptions::Access::direct, .held_bytes = 0};

TEST(DirectAccess, GivesTheSameBytesOrSaysThatItCannot) {
  for (const Shape& image : {Shape{4, 3, 2}, Shape{64, 64, 1}, Shape{130, 130, 3}}) {
    const TempFolder folder;
    write_made_up(folder.path(), {.image = image, .samples = 50, .shards = 2});
    const Dataset plain(folder.path()), past(folder.path(), direct);
    EXPECT_EQ(all_images(past), all_images(plain));
    std::vector<uint8_t> one(past.image_bytes());
    int32_t label = 0;
    for (const int64_t sample : {49, 0, 24, 25}) {
      past.read_one(sample, one.data(), &label);
      EXPECT_EQ(one, made_up_image(sample, image));
    }
    if (!past.notice().empty()) {
      EXPECT_THAT(past.notice(), HasSubstr("the page cache is used"));
    }
  }
}

TEST(DirectAccess, FallsBackWithANoticeWhereTheFileSystemCannot) {
  const TempFolder folder;
  std::string why;
  write_bytes(folder / "a", "x");
  if (DirectFile::open("/proc/version", why)) GTEST_SKIP() << "/proc can be read past the page cache here";
  EXPECT_FALSE(why.empty());
}

TEST(DirectAccess, ReadsAnyStretch) {
  const TempFolder folder;
  std::string content(3 << 20, '\0');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 131 >> 7);
  content.resize(content.size() - 77);
  write_bytes(folder / "a", content);
  std::string why;
  const auto file = DirectFile::open(folder / "a", why);
  if (!file) GTEST_SKIP() << "this file system cannot be read past the page cache: " << why;
  for (const size_t offset : {size_t{0}, size_t{1}, size_t{4095}, size_t{4096}, size_t{1} << 20, content.size() - 5}) {
    for (const size_t bytes : {size_t{1}, size_t{4096}, size_t{10000}, size_t{1} << 20, size_t{2500000}}) {
      std::string found(bytes, '?');
      const size_t expected = std::min(bytes, content.size() - offset);
      ASSERT_EQ(file->read_at("a", found.data(), bytes, offset), expected) << offset << " " << bytes;
      ASSERT_EQ(found.substr(0, expected), content.substr(offset, expected)) << offset << " " << bytes;
    }
  }
}

TEST(DirectAccess, DamageIsStillNamed) {
  const TempFolder folder;
  const std::string path = write_made_up(folder.path(), {.image = {64, 64, 1}, .samples = 5}).front();
  const Dataset dataset(folder.path(), direct);
  const std::string place = dataset.shards().front()->place_of(3);
  flip_byte(path, std::stoull(place.substr(place.rfind(' '))));
  std::vector<uint8_t> one(4096);
  int32_t label = 0;
  EXPECT_THAT(error_of(ExitCode::data, [&] { dataset.read_one(3, one.data(), &label); }),
              AllOf(HasSubstr(place), HasSubstr("damaged")));
  const uint64_t size = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, size / 4);
  EXPECT_THAT(error_of(ExitCode::data, [&] { dataset.read_one(4, one.data(), &label); }), HasSubstr("cut short"));
}

TEST(Checks, CanBeLeftOut) {
  const TempFolder folder;
  const std::string path = write_made_up(folder.path()).front();
  const Dataset unchecked(folder.path(), {.checks = ReadOptions::Checks::off, .held_bytes = 0});
  const std::string place = unchecked.shards().front()->place_of(3);
  flip_byte(path, std::stoull(place.substr(place.rfind(' '))));
  EXPECT_NE(all_images(unchecked), std::vector<uint8_t>{});
  EXPECT_THAT(error_of(ExitCode::data, [&] { all_images(Dataset(folder.path())); }), HasSubstr("image 3 "));
}

TEST(WillNeed, TakesAnySample) {
  const TempFolder folder;
  write_made_up(folder.path(), {.samples = 20, .shards = 3});
  const Dataset dataset(folder.path(), {.held_bytes = 0});
  for (int64_t sample = 0; sample < 20; ++sample) dataset.will_need(sample, 20 - sample);
  EXPECT_THAT(error_of(ExitCode::internal, [&] { dataset.will_need(15, 6); }), HasSubstr("of 20"));
}

/// Bytes of memory that the process has now.
int64_t resident() {
  std::ifstream file("/proc/self/status");
  std::string word;
  while (file >> word && word != "VmRSS:") continue;
  int64_t kib = 0;
  file >> kib;
  return kib << 10;
}

// 80 MB of images for a budget of 8 MB. What is allowed beside it: HDF5's cache (1 MiB at least) and the allocator's.
TEST(MemoryBudget, ADatasetTenTimesAsLargeKeepsIt) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep memory of their own";
#endif
  constexpr int64_t budget = 8 << 20;
  for (const int64_t side : {28, 512}) {
    const TempFolder folder;
    const int64_t samples = 10 * budget / (side * side);
    {
      ShardHeader header{.image = {side, side, 1}, .class_count = 10, .dataset_id = "made-up"};
      ShardWriter writer(folder / "a.h5", header);
      const std::vector<uint8_t> image(static_cast<size_t>(side * side), 7);
      const int32_t label = 3;
      for (int64_t i = 0; i < samples; ++i) writer.append(image.data(), &label, 1);
      writer.commit();
    }
    const int64_t before = resident();
    const Dataset dataset(folder.path(), {.held_bytes = budget});
    std::vector<uint8_t> batch(64 * dataset.image_bytes());
    std::vector<int32_t> labels(64);
    for (int64_t at = 0; at + 64 <= samples; at += 64) dataset.read(at, 64, batch.data(), labels.data());
    EXPECT_LT(resident() - before, budget + static_cast<int64_t>(batch.size()) + (8 << 20)) << side;
  }
}

class FirstVersion : public ForeignShard {
 protected:
  void write_shard(int number, const std::vector<double>& mean) {
    const hdf5::Session session;
    const std::string path = folder_ / ("part-" + std::to_string(number) + ".h5");
    const hdf5::File file{hdf5::Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, 0, 0), H5Fclose), path};
    add_images(file.handle.get());
    add_labels(file.handle.get(), {0, 1, 2});
    const std::vector<uint32_t> checksums(3);
    const hdf5::Handle made = add(file.handle.get(), "crc32c", H5T_STD_U32LE, {3});
    H5Dwrite(made.get(), H5T_NATIVE_UINT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, checksums.data());
    hdf5::write_attribute(file, "/", "format", std::string("convoy-shard"));
    hdf5::write_attribute(file, "/", "version", int64_t{1});
    hdf5::write_attribute(file, "/", "class_count", int64_t{3});
    hdf5::write_attribute(file, "/", "mean", mean);
    hdf5::write_attribute(file, "/", "deviation", std::vector<double>{89.87325907809718});
    hdf5::write_attribute(file, "/", "dataset_id", std::string("old"));
    hdf5::write_attribute(file, "/", "shard", int64_t{number});
    hdf5::write_attribute(file, "/", "shards", int64_t{7});
  }
};

TEST_F(FirstVersion, TheMeanThatAllShardsNameIsKeptToTheBit) {
  for (int number = 0; number < 7; ++number) write_shard(number, {73.14656658163265});
  const Dataset dataset(folder_.path(), {.checks = ReadOptions::Checks::off, .held_bytes = 0});
  EXPECT_EQ(dataset.size(), 21);
  EXPECT_THAT(dataset.header().mean, ElementsAre(73.14656658163265));
  EXPECT_THAT(dataset.header().deviation, ElementsAre(89.87325907809718));
  EXPECT_TRUE(dataset.mean_image().empty());
}

}  // namespace
}  // namespace convoy
