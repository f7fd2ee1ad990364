// Datasets: shards of a folder as one sequence; foreign, missing and mixed-up shards are noticed.
#include "io/shard/dataset.hpp"

#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string error_opening(const std::string& folder) {
  return error_of(ExitCode::data, [&] { Dataset dataset(folder); });
}

TEST(Dataset, ReadsSamplesInFileOrderAcrossShards) {
  // Images of more than 16 KiB are read from the file, smaller ones held in memory.
  for (const Shape& image : {Shape{4, 3, 2}, Shape{130, 130, 1}}) {
    const TempFolder folder;
    write_made_up(folder.path(), {.image = image, .samples = 20, .shards = 3});
    const Dataset dataset(folder.path());
    EXPECT_EQ(dataset.size(), 20);
    EXPECT_EQ(dataset.image(), image);
    EXPECT_EQ(dataset.class_count(), 10);
    EXPECT_EQ(dataset.shards().size(), 3u);
    EXPECT_EQ(dataset.image_bytes(), static_cast<size_t>(image.count()));
    std::vector<uint8_t> one(dataset.image_bytes()), all(20 * dataset.image_bytes());
    for (int64_t begin = 0; begin <= 20; ++begin) {
      for (int64_t count = 0; begin + count <= 20; ++count) {
        std::vector<int32_t> labels(static_cast<size_t>(count));
        dataset.read(begin, count, all.data(), labels.data());
        for (int64_t i = 0; i < count; ++i) {
          ASSERT_EQ(labels[static_cast<size_t>(i)], made_up_label(begin + i));
          const auto expected = made_up_image(begin + i, image);
          ASSERT_TRUE(std::equal(expected.begin(), expected.end(), all.begin() + i * image.count()));
        }
      }
    }
    int32_t label = -1;
    dataset.read_one(19, one.data(), &label);
    EXPECT_EQ(one, made_up_image(19, image));
    EXPECT_EQ(label, made_up_label(19));
    EXPECT_THAT(error_of(ExitCode::internal, [&] { dataset.read_one(20, one.data(), &label); }), HasSubstr("of 20"));
  }
}

TEST(Dataset, MayBeOneFile) {
  const TempFolder folder;
  EXPECT_EQ(Dataset(write_made_up(folder.path()).front()).size(), 20);
}

TEST(Dataset, IgnoresHiddenAndOtherFiles) {
  const TempFolder folder;
  write_made_up(folder.path());
  write_bytes(folder / ".part-1.h5", "half");
  write_bytes(folder / ".part-1.h5.tmp-1", "half");
  write_bytes(folder / "README", "words");
  EXPECT_EQ(Dataset(folder.path()).size(), 20);
}

TEST(Dataset, MissingOrEmptyFolders) {
  const TempFolder folder;
  EXPECT_THAT(error_opening(folder / "nowhere"), AllOf(HasSubstr(folder / "nowhere"), HasSubstr("no such dataset")));
  EXPECT_THAT(error_opening(folder.path()), AllOf(HasSubstr(folder.path()), HasSubstr("holds no shards")));
}

TEST(Dataset, NamesMissingShards) {
  const TempFolder folder;
  const auto paths = write_made_up(folder.path(), {.samples = 20, .shards = 9});
  std::filesystem::remove(paths[2]);
  EXPECT_THAT(error_opening(folder.path()),
              AllOf(HasSubstr(folder.path()), HasSubstr("1 of 9 shards missing: number 2;")));
  for (int shard : {0, 1, 3, 4, 5, 6}) std::filesystem::remove(paths[static_cast<size_t>(shard)]);
  EXPECT_THAT(error_opening(folder.path()), HasSubstr("7 of 9 shards missing: number 0, 1, 2, 3, 4, ...;"));
  EXPECT_THAT(error_opening(paths[7]), HasSubstr("8 of 9 shards missing"));
}

TEST(Dataset, NamesShardsThatAreThereTwice) {
  const TempFolder folder;
  const auto paths = write_made_up(folder.path(), {.samples = 20, .shards = 2});
  std::filesystem::copy_file(paths[0], folder / "part-2.h5");
  EXPECT_THAT(error_opening(folder.path()),
              AllOf(HasSubstr(folder / "part-2.h5"), HasSubstr("is shard 0, and so is"), HasSubstr(paths[0])));
}

TEST(Dataset, RefusesShardsThatDoNotBelongTogether) {
  const auto error_with = [](const MadeUp& other) {
    const TempFolder folder, elsewhere;
    const std::string first = write_made_up(folder.path(), {.samples = 20, .shards = 2}).front();
    std::filesystem::remove(folder / "part-1.h5");
    std::filesystem::copy_file(write_made_up(elsewhere.path(), other).back(), folder / "part-1.h5");
    const std::string message = error_opening(folder.path());
    EXPECT_THAT(message, AllOf(HasSubstr(folder / "part-1.h5"), HasSubstr("does not belong with " + first)));
    return message;
  };
  EXPECT_THAT(error_with({.image = {3, 4, 2}, .shards = 2}), AllOf(HasSubstr("4x3x2"), HasSubstr("3x4x2")));
  EXPECT_THAT(error_with({.shards = 2, .id = "other"}), HasSubstr("dataset_id"));
  EXPECT_THAT(error_with({.shards = 3}), HasSubstr("parts of 2 shards and of 3"));
}

TEST(Dataset, NamesALabelOutsideTheClasses) {
  const TempFolder folder;
  ShardHeader header = header_of({.samples = 3});
  header.classes = {"a", "b"};
  const std::vector<int32_t> labels = {0, 1, 2};
  ShardWriter writer(folder / "a.h5", header);
  for (int64_t i = 0; i < 3; ++i)
    writer.append(made_up_image(i, header.image).data(), &labels[static_cast<size_t>(i)], 1);
  writer.commit();
  EXPECT_THAT(error_opening(folder.path()), AllOf(HasSubstr(folder / "a.h5"), HasSubstr("row 2 is 2, outside 0 to 1")));
}

}  // namespace
}  // namespace convoy
