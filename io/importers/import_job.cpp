// Importing IDX files: check everything, write shards under hidden names, then name them all.
#include "io/importers/import.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "core/base/crc32c.hpp"
#include "core/base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/importers/idx.hpp"
#include "io/shard.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr int64_t shard_bytes = 256 << 20;

/// Images and labels that fit each other.
struct Samples {
  Shape image;
  int64_t count = 0;
  std::vector<uint8_t> images;
  std::vector<int32_t> labels;
  int64_t classes = 0;
};

template <typename... Args>
std::string print(const char* format, Args... args) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), format, args...);
  return text.data();
}

std::string shard_name(int shard, int shards) {
  return print("shard-%05d-of-%05d.h5", shard, shards);
}

void check_labels(const Samples& samples, const std::string& path, size_t class_names) {
  if (class_names == 0) return;
  for (int64_t row = 0; row < samples.count; ++row) {
    const int32_t label = samples.labels[static_cast<size_t>(row)];
    if (std::cmp_less(label, class_names)) continue;
    fail(ExitCode::data, path, ": label ", row, " is ", label, ", but ", class_names, " classes are named (0 to ",
         class_names - 1, "); name all classes, or correct the labels");
  }
}

Samples read_samples(const std::string& image_path, const std::string& label_path, size_t class_names) {
  IdxArray images = read_idx(image_path);
  const IdxArray labels = read_idx(label_path);
  const std::vector<int64_t>& dims = images.dimensions;
  if (dims.size() < 3) {
    fail(ExitCode::data, image_path, ": has ", dims.size(),
         " dimension(s), images have (N,H,W) or (N,H,W,C); were images and labels given in the wrong order?");
  }
  if (labels.dimensions.size() != 1) {
    fail(ExitCode::data, label_path, ": has ", labels.dimensions.size(),
         " dimensions, labels have one; were images and labels given in the wrong order?");
  }
  if (dims[0] != labels.dimensions[0]) {
    fail(ExitCode::data, image_path, ": holds ", dims[0], " images, but ", label_path, " holds ", labels.dimensions[0],
         " labels; give files that belong together");
  }
  Samples samples{.image = {dims[1], dims[2], dims.size() == 4 ? dims[3] : 1},
                  .count = dims[0],
                  .images = std::move(images.data),
                  .labels = {labels.data.begin(), labels.data.end()}};
  if (samples.images.empty()) fail(ExitCode::data, image_path, ": holds no images; give a file that does");
  check_labels(samples, label_path, class_names);
  samples.classes = class_names > 0 ? static_cast<int64_t>(class_names)
                                    : 1 + *std::max_element(samples.labels.begin(), samples.labels.end());
  return samples;
}

/// Mean and deviation of each channel over all images, from exact sums.
void measure_pixels(const Samples& samples, ShardHeader& header) {
  const auto channels = static_cast<size_t>(samples.image[2]);
  std::vector<uint64_t> sums(channels), squares(channels);
  for (size_t i = 0; i < samples.images.size(); i += channels) {
    for (size_t c = 0; c < channels; ++c) {
      const uint64_t pixel = samples.images[i + c];
      sums[c] += pixel;
      squares[c] += pixel * pixel;
    }
  }
  const auto n = static_cast<uint64_t>(samples.count * samples.image[0] * samples.image[1]);
  for (size_t c = 0; c < channels; ++c) {
    // n^2 times the variance, n * sum of squares - square of sum, as an integer: nothing cancels.
    using Wide = unsigned __int128;
    const Wide scaled_variance = Wide{n} * squares[c] - Wide{sums[c]} * sums[c];
    header.mean.push_back(static_cast<double>(sums[c]) / static_cast<double>(n));
    header.deviation.push_back(std::sqrt(static_cast<double>(scaled_variance)) / static_cast<double>(n));
  }
}

void refuse_existing_shards(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".h5") && !name.starts_with(".")) {
      fail(ExitCode::storage, folder, ": already holds ", name,
           ", which is not overwritten; choose another folder, or remove the old dataset first");
    }
  }
}

int shard_count(const Samples& samples, int wanted) {
  if (wanted < 0 || wanted > 99999 || wanted > samples.count) {
    fail(ExitCode::usage, "shards: ", samples.count, " samples cannot be cut into ", wanted, " shards; ask for 1 to ",
         std::min<int64_t>(samples.count, 99999));
  }
  if (wanted > 0) return wanted;
  const auto bytes = static_cast<int64_t>(samples.images.size());
  return static_cast<int>(std::min((bytes + shard_bytes - 1) / shard_bytes, samples.count));
}

/// Removes files again, unless all of them were made.
class Undo {
 public:
  ~Undo() {
    for (const std::string& path : paths_) unlink(path.c_str());
  }
  void add(const std::string& path) { paths_.push_back(path); }
  void keep() { paths_.clear(); }

 private:
  std::vector<std::string> paths_;
};

/// Writes all shards and names them; returns their bytes on disk.
uint64_t write_shards(const Samples& samples, ShardHeader header, const std::string& folder) {
  std::vector<std::string> paths;
  std::vector<std::unique_ptr<ShardWriter>> writers;
  const auto image_bytes = static_cast<size_t>(samples.image.count());
  for (header.shard = 0; header.shard < header.shards; ++header.shard) {
    const int64_t begin = samples.count * header.shard / header.shards;
    header.count = samples.count * (header.shard + 1) / header.shards - begin;
    paths.push_back(folder + "/" + shard_name(header.shard, header.shards));
    writers.push_back(std::make_unique<ShardWriter>(paths.back(), header));
    writers.back()->append(samples.images.data() + static_cast<size_t>(begin) * image_bytes,
                           samples.labels.data() + begin, header.count);
  }
  refuse_existing_shards(folder);  // another import may have been faster
  Undo undo;
  uint64_t bytes = 0;
  for (size_t i = 0; i < writers.size(); ++i) {
    writers[i]->commit();
    undo.add(paths[i]);
    std::error_code ignored;
    bytes += fs::file_size(paths[i], ignored);
  }
  undo.keep();
  return bytes;
}

}  // namespace

ImportSummary import_idx(const std::string& images, const std::string& labels, const ImportOptions& options) {
  refuse_existing_shards(options.out);
  const Samples samples = read_samples(images, labels, options.classes.size());

  ShardHeader header{.image = samples.image, .classes = options.classes, .class_count = samples.classes};
  header.shards = shard_count(samples, options.shards);
  measure_pixels(samples, header);
  header.dataset_id = print("%08x%08x", crc32c(samples.images.data(), samples.images.size()),
                            crc32c(samples.labels.data(), samples.labels.size() * sizeof(int32_t)));

  make_writable_folder(options.out);
  remove_stale_temporaries(options.out, "shard-");
  const uint64_t bytes = write_shards(samples, header, options.out);
  return {.out = options.out,
          .samples = samples.count,
          .shards = header.shards,
          .image = samples.image,
          .classes = samples.classes,
          .mean = header.mean,
          .deviation = header.deviation,
          .bytes = bytes};
}

}  // namespace convoy
