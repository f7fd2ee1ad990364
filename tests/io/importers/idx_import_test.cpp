// Importing IDX files: what lies in the shards, what is refused.
#include "io/importers/import.hpp"

#include <sys/wait.h>

#include <cmath>

#include "io/atomic_file.hpp"
#include "io/importers/idx.hpp"
#include "io/shard/dataset.hpp"
#include "tests/io/importers/idx_files.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

/// Import as the program does it by one worker.
ImportSummary import_idx(const std::string& images, const std::string& labels, const ImportOptions& options,
                         const std::vector<std::string>& classes = {}) {
  return import_dataset({.kind = "idx", .files = {{images, images}, {labels, labels}}, .class_list = classes}, options);
}

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Import : public testing::Test {
 protected:
  /// 50 images of 3x2 pixels, labels 0 to 6.
  void SetUp() override {
    pixels_ = noise(50 * 6);
    for (int i = 0; i < 50; ++i) labels_ += static_cast<char>(i % 7);
    write_bytes(images_path_, idx_bytes({50, 3, 2}, pixels_));
    write_bytes(labels_path_, gzipped(idx_bytes({50}, labels_)));
  }

  ImportSummary import(const ImportOptions& options, const std::vector<std::string>& classes = {}) {
    return import_idx(images_path_, labels_path_, options, classes);
  }

  /// The message that importing ends in; nothing may be made.
  std::string error_importing(ExitCode code, const ImportOptions& options,
                              const std::vector<std::string>& classes = {}) {
    const std::string message = error_of(code, [&] { import(options, classes); });
    EXPECT_FALSE(std::filesystem::exists(out_));
    return message;
  }

  TempFolder folder_;
  const std::string out_ = folder_ / "out";
  const std::string images_path_ = folder_ / "images", labels_path_ = folder_ / "labels.gz";
  std::string pixels_, labels_;
};

TEST_F(Import, MakesShardsThatHoldTheSamples) {
  for (const int shards : {1, 3, 50}) {
    const std::string out = folder_ / ("out-" + std::to_string(shards));
    const ImportSummary summary = import({.out = out, .shards = shards});
    EXPECT_EQ(summary.out, out);
    EXPECT_EQ(summary.samples, 50);
    EXPECT_EQ(summary.shards, shards);
    EXPECT_EQ(summary.image, (Shape{3, 2, 1}));
    EXPECT_EQ(summary.classes, 7);
    EXPECT_EQ(names_in(out).size(), static_cast<size_t>(shards));

    const Dataset dataset(out);
    ASSERT_EQ(dataset.size(), 50);
    EXPECT_EQ(dataset.class_count(), 7);
    uint64_t bytes = 0;
    for (const auto& shard : dataset.shards()) bytes += std::filesystem::file_size(shard->path());
    EXPECT_EQ(summary.bytes, bytes);
    std::string images(pixels_.size(), '\0');
    std::vector<int32_t> labels(50);
    dataset.read(0, 50, images.data(), labels.data());
    EXPECT_EQ(images, pixels_);
    EXPECT_EQ(std::string(labels.begin(), labels.end()), labels_);
  }
}

TEST_F(Import, NamesShardsByNumber) {
  import({.out = out_, .shards = 2});
  EXPECT_THAT(names_in(out_), ElementsAre("shard-00000-of-00002.h5", "shard-00001-of-00002.h5"));
}

TEST_F(Import, KeepsClassNames) {
  const std::vector<std::string> classes = {"a", "b", "c", "d", "e", "f", "g", "unused"};
  EXPECT_EQ(import({.out = out_}, classes).classes, 8);
  EXPECT_EQ(Dataset(out_).header().classes, classes);
  EXPECT_EQ(Dataset(out_).class_count(), 8);
}

TEST_F(Import, MeasuresEachChannelExactly) {
  // Channel 0: 0, 10, 20, ...; channel 1: always 255, whose deviation is 0 and not the root of a rounding error.
  std::string pixels;
  for (int i = 0; i < 10; ++i) pixels += {static_cast<char>(i * 10), static_cast<char>(255)};
  write_bytes(images_path_, idx_bytes({5, 2, 1, 2}, pixels));
  write_bytes(labels_path_, idx_bytes({5}, std::string(5, '\0')));
  std::filesystem::rename(labels_path_, folder_ / "labels");
  const ImportSummary summary = import_idx(images_path_, folder_ / "labels", {.out = out_});
  EXPECT_EQ(summary.image, (Shape{2, 1, 2}));
  EXPECT_EQ(summary.mean, (std::vector<double>{45, 255}));
  EXPECT_DOUBLE_EQ(summary.deviation.at(0), std::sqrt(825.0));
  EXPECT_EQ(summary.deviation.at(1), 0);
  EXPECT_EQ(Dataset(out_).header().mean, summary.mean);
  EXPECT_EQ(Dataset(out_).header().deviation, summary.deviation);
}

TEST_F(Import, TheSameFilesGiveTheSameBytesAndId) {
  import({.out = folder_ / "a", .shards = 2});
  import({.out = folder_ / "b", .shards = 2});
  for (const std::string& name : names_in(folder_ / "a")) {
    EXPECT_EQ(bytes_of_file(folder_ / "a/" + name), bytes_of_file(folder_ / "b/" + name));
  }
  labels_[3] = 6;
  write_bytes(labels_path_, gzipped(idx_bytes({50}, labels_)));
  import({.out = folder_ / "c", .shards = 2});
  EXPECT_NE(Dataset(folder_ / "a").header().dataset_id, Dataset(folder_ / "c").header().dataset_id);
}

TEST_F(Import, RefusesCountsThatDisagree) {
  write_bytes(labels_path_, gzipped(idx_bytes({49}, labels_.substr(1))));
  EXPECT_THAT(error_importing(ExitCode::data, {.out = out_}),
              AllOf(HasSubstr(images_path_), HasSubstr("50 images"), HasSubstr(labels_path_), HasSubstr("49 labels")));
}

TEST_F(Import, RefusesImagesAndLabelsInTheWrongOrder) {
  std::swap(pixels_, labels_);
  EXPECT_THAT(error_of(ExitCode::data, [&] { import_idx(labels_path_, images_path_, {.out = out_}); }),
              AllOf(HasSubstr(labels_path_), HasSubstr("wrong order")));
  EXPECT_THAT(error_of(ExitCode::data, [&] { import_idx(images_path_, images_path_, {.out = out_}); }),
              AllOf(HasSubstr(images_path_), HasSubstr("labels have one")));
}

TEST_F(Import, RefusesLabelsBeyondTheNamedClasses) {
  EXPECT_THAT(error_importing(ExitCode::data, {.out = out_}, {"a", "b", "c"}),
              AllOf(HasSubstr(labels_path_), HasSubstr("label 3 is 3"), HasSubstr("3 classes are named (0 to 2)")));
}

TEST_F(Import, RefusesDamagedFilesAndNoImages) {
  write_bytes(labels_path_, "rubbish");
  EXPECT_THAT(error_importing(ExitCode::data, {.out = out_}), HasSubstr(labels_path_));
  write_bytes(labels_path_, gzipped(idx_bytes({0}, "")));
  write_bytes(images_path_, idx_bytes({0, 3, 2}, ""));
  EXPECT_THAT(error_importing(ExitCode::data, {.out = out_}), HasSubstr("holds no images"));
}

TEST_F(Import, RefusesShardCountsThatDoNotFit) {
  for (const int shards : {-1, 51}) {
    EXPECT_THAT(error_importing(ExitCode::usage, {.out = out_, .shards = shards}),
                AllOf(HasSubstr("50 samples"), HasSubstr("into " + std::to_string(shards) + " shards")));
  }
}

TEST_F(Import, OverwritesNothing) {
  import({.out = out_, .shards = 1});
  const std::string before = bytes_of_file(out_ + "/shard-00000-of-00001.h5");
  EXPECT_THAT(error_of(ExitCode::storage, [&] { import({.out = out_, .shards = 2}); }),
              AllOf(HasSubstr(out_), HasSubstr("already holds shard-00000-of-00001.h5")));
  EXPECT_THAT(names_in(out_), ElementsAre("shard-00000-of-00001.h5"));
  EXPECT_EQ(bytes_of_file(out_ + "/shard-00000-of-00001.h5"), before);

  const TempFolder other;
  write_bytes(other / "mine.h5", "mine");
  error_of(ExitCode::storage, [&] { import({.out = other.path()}); });
  EXPECT_THAT(names_in(other.path()), ElementsAre("mine.h5"));
  write_bytes(folder_ / "file", "mine");
  EXPECT_THAT(error_of(ExitCode::storage, [&] { import({.out = folder_ / "file"}); }), HasSubstr(folder_ / "file"));
  EXPECT_EQ(bytes_of_file(folder_ / "file"), "mine");
}

TEST_F(Import, AFullDiskLeavesWholeShardsOnlyAndTheImportGoesOn) {
  SmallDisk disk(160);
  SKIP_UNLESS_MOUNTED(disk);
  const std::string out = disk.path() + "/out";
  write_bytes(images_path_, idx_bytes({50, 40, 40}, noise(50 * 1600)));
  EXPECT_THAT(error_of(ExitCode::storage, [&] { import({.out = out, .shards = 4}); }),
              AllOf(HasSubstr(out + "/shard-"), HasSubstr("No space left on device")));
  const std::vector<std::string> left = names_in(out);
  ASSERT_FALSE(left.empty());
  ASSERT_LT(left.size(), 4u);
  for (const std::string& name : left) {
    EXPECT_THAT(name, testing::StartsWith("shard-"));
    EXPECT_NO_THROW(ShardReader(out + "/" + name)) << name;
  }
  EXPECT_THAT(error_of(ExitCode::data, [&] { Dataset dataset(out); }), HasSubstr("missing"));

  // With room it goes on, and what comes out is what an undisturbed import makes.
  std::filesystem::copy(out, out_);
  EXPECT_EQ(import({.out = out_, .shards = 4}).kept, static_cast<int>(left.size()));
  import({.out = folder_ / "other", .shards = 4});
  for (const std::string& name : names_in(folder_ / "other")) {
    EXPECT_EQ(bytes_of_file(out_ + "/" + name), bytes_of_file(folder_ / "other/" + name));
  }
}

TEST_F(Import, ADeadImportIsTakenForNothingAndCleanedUp) {
  std::filesystem::create_directory(out_);
  const pid_t child = fork();
  if (child == 0) {
    const ShardHeader header = header_of({.samples = 2});
    ShardWriter half(out_ + "/shard-00000-of-00002.h5", header), whole(out_ + "/shard-00001-of-00002.h5", header);
    const std::vector<int32_t> labels = {0, 1};
    const std::vector<uint8_t> images(48);
    half.append(images.data(), labels.data(), 1);
    whole.append(images.data(), labels.data(), 2);
    _exit(0);  // no destructor runs, as after a kill
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  write_bytes(out_ + "/.mine", "mine");
  ASSERT_EQ(names_in(out_).size(), 3u);
  EXPECT_THAT(error_of(ExitCode::data, [&] { Dataset dataset(out_); }), HasSubstr("holds no shards"));

  import({.out = out_});
  EXPECT_THAT(names_in(out_), ElementsAre(".mine", "shard-00000-of-00001.h5"));
  EXPECT_EQ(Dataset(out_).size(), 50);
}

TEST(ImportFashionMnist, HoldsWhatTheFilesHold) {
  const std::string source = "/usr/share/datasets/fashion-mnist/t10k-";
  if (!std::filesystem::exists(source + "images-idx3-ubyte.gz")) {
    GTEST_SKIP() << "the Debian package dataset-fashion-mnist is not installed";
  }
  const TempFolder folder;
  const ImportSummary summary = import_idx(source + "images-idx3-ubyte.gz", source + "labels-idx1-ubyte.gz",
                                           {.out = folder / "out", .shards = 3});
  EXPECT_EQ(summary.samples, 10000);
  EXPECT_EQ(summary.classes, 10);
  EXPECT_EQ(summary.image, (Shape{28, 28, 1}));
  // By numpy over the same file: mean 73.14656658163265, std 89.87325907809718.
  EXPECT_NEAR(summary.mean.at(0), 73.14656658163265, 1e-11);
  EXPECT_NEAR(summary.deviation.at(0), 89.87325907809718, 1e-11);
  const Dataset dataset(folder / "out");
  std::vector<uint8_t> images(10000 * 784);
  std::vector<int32_t> labels(10000);
  dataset.read(0, 10000, images.data(), labels.data());
  EXPECT_EQ(images, read_idx(source + "images-idx3-ubyte.gz").data);
  EXPECT_THAT(std::vector<int32_t>(labels.begin(), labels.begin() + 8), ElementsAre(9, 2, 1, 1, 6, 1, 4, 6));
}

}  // namespace
}  // namespace convoy
