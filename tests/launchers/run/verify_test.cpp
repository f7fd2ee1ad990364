// Verifying a dataset: every damaged image is counted, the first are named, in file order.
#include "launchers/run/verify.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <new>

#include "io/image/encode.hpp"
#include "tests/support/temp_folder.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

void flip_byte(const std::string& path, std::streamoff at) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(at);
  const auto byte = static_cast<char>(file.get() ^ 4);
  file.seekp(at);
  file.put(byte);
}

/// Where an image lies: "... at byte OFFSET".
std::streamoff offset_of(const ShardReader& shard, int64_t row) {
  const std::string place = shard.place_of(row);
  return std::stoll(place.substr(place.rfind(' ') + 1));
}

class Verify : public testing::Test {
 protected:
  /// Images of 1 MiB, so that a piece holds four of them.
  std::string write_raw(int number, int64_t images) {
    const std::string path = folder_ / ("part-" + std::to_string(number) + ".h5");
    ShardHeader header{.image = {1024, 1024, 1}, .class_count = 2, .dataset_id = "made-up"};
    ShardWriter writer(path, header);
    std::vector<uint8_t> image(1 << 20);
    for (int64_t i = 0; i < images; ++i) {
      std::fill(image.begin(), image.end(), static_cast<uint8_t>(i));
      const auto label = static_cast<int32_t>(i % 2);
      writer.append(image.data(), &label, 1);
    }
    writer.commit();
    return path;
  }

  std::string write_encoded(const std::vector<std::vector<std::byte>>& files, const Image& seen) {
    const std::string path = folder_ / "encoded.h5";
    ShardHeader header{.image = {0, 0, 3}, .encoding = Encoding::jpeg, .class_count = 2, .dataset_id = "made-up"};
    ShardWriter writer(path, header);
    for (const auto& file : files) writer.append_encoded(file, 0, seen);
    writer.commit();
    return path;
  }

  static VerifyReport verify(const std::vector<const ShardReader*>& shards, int threads = 3) {
    return verify_images(shards, threads, [](const VerifyProgress&) {});
  }

  TempFolder folder_;
};

TEST_F(Verify, WholeImagesAreCounted) {
  const ShardReader a(write_raw(0, 9)), b(write_raw(1, 2));
  uint64_t last = 0;
  const VerifyReport report = verify_images({&a, &b}, 3, [&](const VerifyProgress& progress) {
    EXPECT_EQ(progress.all_bytes, 11u << 20);
    EXPECT_GT(progress.bytes, last);
    last = progress.bytes;
  });
  EXPECT_EQ(report.images, 11);
  EXPECT_EQ(report.bytes, 11u << 20);
  EXPECT_EQ(last, report.bytes);
  EXPECT_EQ(report.damaged, 0);
  EXPECT_TRUE(report.compared);
  EXPECT_THAT(report.complaints, IsEmpty());
}

TEST_F(Verify, EveryDamagedImageIsFoundAndNamedInFileOrder) {
  const std::string first = write_raw(0, 9), second = write_raw(1, 6);
  const ShardReader a(first), b(second);
  for (const int64_t row : {8, 5, 6}) flip_byte(first, offset_of(a, row) + 77);
  flip_byte(second, offset_of(b, 0) + 77);
  for (const int threads : {1, 4}) {
    const VerifyReport report = verify({&a, &b}, threads);
    EXPECT_EQ(report.damaged, 4);
    EXPECT_THAT(report.complaints, ElementsAre(HasSubstr(a.place_of(5)), HasSubstr(a.place_of(6)),
                                               HasSubstr(a.place_of(8)), HasSubstr(b.place_of(0))));
  }
}

TEST_F(Verify, NamesTenAndCountsTheRest) {
  const std::string path = write_raw(0, 14);
  const ShardReader shard(path);
  for (int64_t row = 1; row < 14; ++row) flip_byte(path, offset_of(shard, row));
  const VerifyReport report = verify({&shard});
  EXPECT_EQ(report.damaged, 13);
  ASSERT_EQ(report.complaints.size(), most_complaints);
  EXPECT_THAT(report.complaints.front(), HasSubstr("image 1 "));
  EXPECT_THAT(report.complaints.back(), HasSubstr("image 10 "));
}

TEST_F(Verify, WhatAThreadCannotGoOnFromEndsThemAll) {
  const ShardReader shard(write_raw(0, 40));
  for (const int threads : {1, 4}) {
    int calls = 0;
    const auto watch = [&](const VerifyProgress&) {
      if (++calls > 1) throw std::bad_alloc();
    };
    EXPECT_THROW(verify_images({&shard}, threads, watch), std::bad_alloc);
  }
}

TEST_F(Verify, EncodedImagesAreDecodedToo) {
  const Image seen{.height = 4, .width = 6, .channels = 3, .pixels = std::vector<uint8_t>(72, 90)};
  const std::vector<std::byte> whole = encode_png(seen);
  const std::vector<std::byte> cut(whole.begin(), whole.begin() + 40), words(50, std::byte{'x'});
  const Image other{.height = 5, .width = 6, .channels = 3, .pixels = std::vector<uint8_t>(90, 90)};
  // All agree with their checksums: it is what was written that is wrong.
  const ShardReader shard(write_encoded({whole, cut, whole, words, encode_png(other)}, seen));
  const VerifyReport report = verify({&shard});
  EXPECT_EQ(report.images, 5);
  EXPECT_EQ(report.damaged, 3);
  EXPECT_THAT(report.complaints,
              ElementsAre(HasSubstr(shard.place_of(1)), HasSubstr(shard.place_of(3)),
                          AllOf(HasSubstr(shard.place_of(4)), HasSubstr("is 5x6"), HasSubstr("4x6x3"))));
}

}  // namespace
}  // namespace convoy
