// HDF5 files that open as a dataset: shards of Convoy, and what others wrote, one dataset or several after another.
#include <algorithm>
#include <filesystem>

#include "core/base/crc32c.hpp"
#include "core/base/error.hpp"
#include "io/importers/source.hpp"
#include "io/shard/dataset.hpp"

namespace convoy {
namespace {

class Hdf5Source : public SampleSource {
 public:
  explicit Hdf5Source(const SourceOptions& options);

  int64_t size() const override { return dataset_.size(); }
  bool encoded() const override { return dataset_.encoding() != Encoding::raw; }
  Shape image() const override { return dataset_.image(); }
  bool by_class() const override { return false; }
  int32_t label(int64_t i) const override;
  std::string name(int64_t i) const override;
  uint64_t bytes(int64_t i) const override;
  void identify(Hash& hash) const override;
  void fetch(int64_t i, Sample& sample) const override;

 private:
  struct Place {
    const ShardReader& shard;
    int64_t row;
  };
  Place place(int64_t i) const;

  Dataset dataset_;
  std::vector<int64_t> ends_;   // of each shard, in samples
  uint64_t encoded_bytes_ = 0;  // of one image, on average
};

Hdf5Source::Hdf5Source(const SourceOptions& options) : dataset_(options.files.front().path) {
  if (dataset_.dtype() != DType::u8) {
    fail(ExitCode::data, options.files.front().shown, ": holds ", name_of(dataset_.dtype()),
         " images; only uint8 can be imported, others are trained on as they are");
  }
  uint64_t bytes = 0;
  for (const auto& shard : dataset_.shards()) {
    ends_.push_back((ends_.empty() ? 0 : ends_.back()) + shard->header().count);
    bytes += std::filesystem::file_size(shard->path());
  }
  encoded_bytes_ = bytes / static_cast<uint64_t>(std::max<int64_t>(dataset_.size(), 1));
  classes_ = options.class_list.empty() ? dataset_.header().classes : options.class_list;
  class_count_ = classes_.empty() ? dataset_.class_count() : static_cast<int64_t>(classes_.size());
  if (class_count_ < dataset_.class_count()) {
    fail(ExitCode::data, options.files.front().shown, ": has ", dataset_.class_count(), " classes, but ",
         classes_.size(), " are named; name all classes");
  }
}

Hdf5Source::Place Hdf5Source::place(int64_t i) const {
  const auto shard = std::upper_bound(ends_.begin(), ends_.end(), i) - ends_.begin();
  const int64_t begin = shard == 0 ? 0 : ends_[static_cast<size_t>(shard - 1)];
  return {.shard = *dataset_.shards()[static_cast<size_t>(shard)], .row = i - begin};
}

int32_t Hdf5Source::label(int64_t i) const {
  const Place at = place(i);
  return at.shard.labels()[static_cast<size_t>(at.row)];
}

std::string Hdf5Source::name(int64_t i) const {
  const Place at = place(i);
  return concat(at.shard.path(), ": image ", at.row);
}

uint64_t Hdf5Source::bytes(int64_t) const {
  return encoded() ? encoded_bytes_ : dataset_.image_bytes();
}

void Hdf5Source::identify(Hash& hash) const {
  for (const std::string& name : classes_) hash.add(name);
  for (const auto& shard : dataset_.shards()) {
    const ShardHeader& header = shard->header();
    hash.add(header.dataset_id.empty() ? std::filesystem::path(shard->path()).filename().string() : header.dataset_id);
    const FileDescriptor file = open_to_read(shard->path());
    const uint64_t bytes = size_of_file(file, shard->path());
    hash.add(static_cast<int64_t>(bytes));
    add_contents(hash, file, shard->path(), 0, bytes);
    hash.add(header.image.text());
    hash.add(header.count);
    hash.add(int64_t{crc32c(shard->labels().data(), shard->labels().size() * sizeof(int32_t))});
  }
}

void Hdf5Source::fetch(int64_t i, Sample& sample) const {
  const Place at = place(i);
  sample.encoded.clear();
  if (encoded()) return at.shard.read_encoded(at.row, sample.encoded);
  const Shape& shape = dataset_.image();
  sample.image.height = shape[0], sample.image.width = shape[1], sample.image.channels = shape[2];
  sample.image.pixels.resize(sample.image.bytes());
  at.shard.read(at.row, sample.image.pixels.data());
}

}  // namespace

std::unique_ptr<SampleSource> open_hdf5(const SourceOptions& options) {
  return std::make_unique<Hdf5Source>(options);
}

}  // namespace convoy
