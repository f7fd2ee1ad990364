// One worker's part of an import, and how a source's order becomes a dataset's.
#include "io/atomic_file.hpp"
#include "io/importers/import.hpp"
#include "io/shard/dataset.hpp"
#include "tests/io/importers/idx_files.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ImportedJob : public testing::Test {
 protected:
  /// 30 images of one pixel, whose value is their number; labels likewise.
  void SetUp() override {
    std::string numbers;
    for (char i = 0; i < 30; ++i) numbers += i;
    write_bytes(folder_ / "images", idx_bytes({30, 1, 1}, numbers));
    write_bytes(folder_ / "labels", idx_bytes({30}, numbers));
    source_ = open_source(options_);
  }
  ImportJob job(const ImportOptions& options) { return ImportJob(*source_, options, "idx"); }

  TempFolder folder_;
  const SourceOptions options_{
      .kind = "idx", .files = {{folder_ / "images", folder_ / "images"}, {folder_ / "labels", folder_ / "labels"}}};
  std::unique_ptr<SampleSource> source_;
};

std::vector<int32_t> labels_of(const std::string& folder) {
  std::vector<int32_t> labels;
  const Dataset dataset(folder);
  for (const auto& shard : dataset.shards()) {
    labels.insert(labels.end(), shard->labels().begin(), shard->labels().end());
    for (int64_t row = 0; row < shard->header().count; ++row) {
      uint8_t pixel = 0;
      shard->read(row, &pixel);
      EXPECT_EQ(pixel, shard->labels()[static_cast<size_t>(row)]);
    }
  }
  return labels;
}

TEST_F(ImportedJob, AWorkerMakesItsOwnShards) {
  ImportProgress progress;
  const std::string out = folder_ / "out";
  make_writable_folder(out);
  ImportJob second = job({.out = out, .shards = 5, .rank = 1, .workers = 2});
  EXPECT_EQ(second.planned(), 12);
  second.make_shards(progress);
  EXPECT_EQ(progress.done, 12);
  EXPECT_THAT(names_in(out), ElementsAre("shard-00001-of-00005.h5", "shard-00003-of-00005.h5"));
  ImportJob first = job({.out = out, .shards = 5, .rank = 0, .workers = 2});
  EXPECT_EQ(first.dataset_id(), second.dataset_id());
  EXPECT_EQ(first.check_folder(), 2);
  first.make_shards(progress);
  EXPECT_EQ(first.finish().samples, 30);
  EXPECT_EQ(first.planned(), 0);
  std::vector<int32_t> in_order(30);
  for (int32_t i = 0; i < 30; ++i) in_order[static_cast<size_t>(i)] = i;
  EXPECT_EQ(labels_of(out), in_order);
}

TEST_F(ImportedJob, ShufflesEverySampleOnceWhateverTheThreads) {
  std::vector<int32_t> first;
  for (const int threads : {1, 3}) {
    const std::string out = folder_ / concat("out-", threads);
    import_dataset(options_, {.out = out, .shards = 4, .shuffle = ImportShuffle::on, .seed = 9, .threads = threads});
    std::vector<int32_t> labels = labels_of(out);
    if (first.empty()) first = labels;
    EXPECT_EQ(labels, first);
    EXPECT_FALSE(std::ranges::is_sorted(labels));
    std::ranges::sort(labels);
    for (int32_t i = 0; i < 30; ++i) EXPECT_EQ(labels[static_cast<size_t>(i)], i);
  }
}

TEST_F(ImportedJob, TheIdTellsOptionsThatChangeTheShards) {
  const std::string id = job({.out = "x"}).dataset_id();
  EXPECT_EQ(job({.out = "y", .seed = 2, .on_error = OnError::skip, .threads = 9}).dataset_id(), id);
  for (const ImportOptions& other : {ImportOptions{.shards = 2},
                                     {.encoding = Encoding::jpeg},
                                     {.height = 2},
                                     {.height = 2, .width = 2},
                                     {.channels = 3},
                                     {.shuffle = ImportShuffle::on}}) {
    EXPECT_NE(job(other).dataset_id(), id);
  }
}

TEST_F(ImportedJob, StopsWhenAsked) {
  ImportProgress progress;
  progress.stop = true;
  make_writable_folder(folder_ / "out");
  EXPECT_THAT(error_of(ExitCode::preempted, [&] { job({.out = folder_ / "out"}).make_shards(progress); }),
              HasSubstr("goes on"));
  EXPECT_TRUE(names_in(folder_ / "out").empty());
}

TEST_F(ImportedJob, DamagedShardsThatAreThereAreNamed) {
  const std::string out = folder_ / "out", shard = out + "/shard-00000-of-00001.h5";
  import_dataset(options_, {.out = out});
  std::filesystem::resize_file(shard, 3000);
  EXPECT_THAT(error_of(ExitCode::storage, [&] { import_dataset(options_, {.out = out}); }),
              testing::AllOf(HasSubstr(shard), HasSubstr("remove it")));
}

}  // namespace
}  // namespace convoy
