// A dataset: the shards of a folder as one sequence of samples.
#include "io/shard/dataset.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// Small images of a small dataset are held in memory, where fetching one by pread costs more than all else about it.
constexpr size_t held_image_bytes = 16 << 10;

std::vector<std::string> shard_paths(const std::string& folder) {
  std::error_code error;
  if (!fs::exists(folder, error)) {
    fail(ExitCode::data, folder, ": there is no such dataset; check the path, or make it with \"convoy import\"");
  }
  if (fs::is_regular_file(folder, error)) return {folder};
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".h5") && !name.starts_with(".")) paths.push_back(entry.path().string());
  }
  if (error) fail(ExitCode::data, folder, ": cannot be read: ", error.message(), "; ask for permission to read it");
  if (paths.empty()) {
    fail(ExitCode::data, folder, ": holds no shards (*.h5); check the path, or make them with \"convoy import\"");
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// What two shards of one dataset must have in common and do not, or "".
std::string difference(const ShardHeader& a, const ShardHeader& b) {
  if (a.encoding != b.encoding) return "raw images and encoded ones";
  if (a.dtype != b.dtype) return concat(name_of(a.dtype), " pixels and ", name_of(b.dtype));
  if (a.encoding != Encoding::raw && a.image[2] != b.image[2]) {
    return concat(a.image[2], " channels and ", b.image[2]);
  }
  if (a.encoding == Encoding::raw && a.image != b.image)
    return concat("images of ", a.image.text(), " and of ", b.image.text());
  if (a.classes != b.classes) return "different class names";
  if (a.dataset_id != b.dataset_id) return "different datasets (dataset_id)";
  if (!a.dataset_id.empty() && a.class_count != b.class_count) {
    return concat(a.class_count, " classes and ", b.class_count);
  }
  if (a.shards != b.shards) return concat("parts of ", a.shards, " shards and of ", b.shards);
  return "";
}

/// Every shard 0 .. shards - 1 must be there once. Files without an id were made by others and are not numbered.
void check_numbers(const std::string& folder, const std::vector<std::unique_ptr<ShardReader>>& shards) {
  const ShardHeader& header = shards.front()->header();
  if (header.dataset_id.empty()) return;
  std::vector<std::string> seen(static_cast<size_t>(std::max(header.shards, 1)));
  for (const auto& shard : shards) {
    const int number = shard->header().shard;
    if (number < 0 || number >= header.shards) {
      fail(ExitCode::data, shard->path(), ": says it is shard ", number, " of ", header.shards,
           ", counted from 0; import the dataset again");
    }
    std::string& path = seen[static_cast<size_t>(number)];
    if (!path.empty()) {
      fail(ExitCode::data, shard->path(), ": is shard ", number, ", and so is ", path, "; remove one of them");
    }
    path = shard->path();
  }
  std::vector<std::string> missing;
  for (size_t i = 0; i < seen.size(); ++i) {
    if (seen[i].empty()) missing.push_back(std::to_string(i));
  }
  if (missing.empty()) return;
  const size_t count = missing.size();
  if (count > 5) missing.resize(5);
  fail(ExitCode::data, folder, ": ", count, " of ", header.shards, " shards missing: number ", join(missing, ", "),
       count > 5 ? ", ..." : "", "; copy them there, or give the import's command again: it goes on where it stopped");
}

using Statistic = std::vector<double> ShardHeader::*;

bool common(const std::vector<const ShardHeader*>& headers, Statistic statistic) {
  return std::all_of(headers.begin(), headers.end(),
                     [&](const ShardHeader* header) { return header->*statistic == headers.front()->*statistic; });
}

/// Mean and deviation over all shards: exactly, where each tells its sums; else each shard's weighted by its images,
/// and none where one does not tell its own. Where all say the same it is kept as it is, to the bit: so it is in
/// datasets of version 1.
void combine_statistics(const std::vector<const ShardHeader*>& headers, ShardHeader& whole) {
  whole.pixels = {};
  if (std::ranges::all_of(headers, [](const ShardHeader* header) { return header->pixels.count > 0; })) {
    for (const ShardHeader* header : headers) whole.pixels.add(header->pixels);
    whole.mean = whole.pixels.mean();
    whole.deviation = whole.pixels.deviation();
    return;
  }
  whole.mean = headers.front()->mean;
  whole.deviation = headers.front()->deviation;
  if (common(headers, &ShardHeader::mean) && common(headers, &ShardHeader::deviation)) return;
  const auto channels = static_cast<size_t>(whole.image[2]);
  std::vector<double> means(channels), squares(channels);
  const auto images = static_cast<double>(whole.count);
  for (const ShardHeader* header : headers) {
    if (header->mean.size() != channels || header->deviation.size() != channels) {
      whole.mean.clear();
      whole.deviation.clear();
      return;
    }
    const double share = static_cast<double>(header->count) / images;
    for (size_t c = 0; c < channels; ++c) {
      means[c] += share * header->mean[c];
      squares[c] += share * (header->deviation[c] * header->deviation[c] + header->mean[c] * header->mean[c]);
    }
  }
  whole.mean = means;
  for (size_t c = 0; c < channels; ++c) {
    whole.deviation[c] = std::sqrt(std::max(0.0, squares[c] - means[c] * means[c]));
  }
}

/// One header for all shards, those without images left aside where others have some.
ShardHeader combine(const std::vector<std::unique_ptr<ShardReader>>& shards) {
  std::vector<const ShardHeader*> headers;
  for (const auto& shard : shards) {
    if (shard->header().count > 0) headers.push_back(&shard->header());
  }
  if (headers.empty()) return shards.front()->header();
  ShardHeader whole = *headers.front();
  whole.count = 0;
  for (const ShardHeader* header : headers) {
    whole.count += header->count;
    whole.class_count = std::max(whole.class_count, header->class_count);
    if (header->image != whole.image) whole.image = {0, 0, whole.image[2]};
  }
  combine_statistics(headers, whole);
  return whole;
}

}  // namespace

Dataset::Dataset(const std::string& folder, const ReadOptions& options) : folder_(folder) {
  starts_.push_back(0);
  for (const std::string& path : shard_paths(folder)) {
    shards_.push_back(std::make_unique<ShardReader>(path, options));
    const ShardHeader& header = shards_.back()->header();
    if (const std::string why = difference(shards_.front()->header(), header); !why.empty()) {
      fail(ExitCode::data, path, ": does not belong with ", shards_.front()->path(), ": ", why,
           "; keep one dataset to a folder");
    }
    size_ += header.count;
    starts_.push_back(size_);
  }
  check_numbers(folder, shards_);
  if (size_ == 0) fail(ExitCode::data, folder, ": its shards hold no images; import a dataset that has some");
  header_ = combine(shards_);
  const bool foreign = std::any_of(shards_.begin(), shards_.end(), [](const auto& s) { return s->through_hdf5(); });
  if (encoding() == Encoding::raw && (foreign || image_bytes() <= held_image_bytes) &&
      static_cast<uint64_t>(size_) * image_bytes() <= options.held_bytes) {
    for (const auto& shard : shards_) shard->hold_in_memory();
  }
}

Dataset::~Dataset() = default;

std::vector<float> Dataset::mean_image() const {
  std::vector<double> sum(static_cast<size_t>(image().count()));
  for (const auto& shard : shards_) {
    const int64_t images = shard->header().count;
    if (images == 0) continue;
    const std::vector<float> mean = shard->mean_image();
    if (mean.size() != sum.size()) return {};
    const double share = static_cast<double>(images) / static_cast<double>(size_);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += share * static_cast<double>(mean[i]);
  }
  return {sum.begin(), sum.end()};
}

std::string Dataset::notice() const {
  std::string line;
  int more = -1;
  for (const auto& shard : shards_) {
    const std::string notice = shard->notice();
    if (!notice.empty() && ++more == 0) line = shard->path() + ": " + notice;
  }
  return more > 0 ? line + concat(" (so are ", more, " more of its shards)") : line;
}

Dataset::Place Dataset::place(int64_t sample) const {
  if (sample < 0 || sample >= size_) {
    fail(ExitCode::internal, folder_, ": sample ", sample, " asked of ", size_);
  }
  const auto shard = std::upper_bound(starts_.begin(), starts_.end(), sample) - starts_.begin() - 1;
  return {*shards_[static_cast<size_t>(shard)], sample - starts_[static_cast<size_t>(shard)]};
}

std::string Dataset::place_of(int64_t sample) const {
  const auto [shard, row] = place(sample);
  return shard.place_of(row);
}

int32_t Dataset::read_encoded(int64_t sample, std::vector<std::byte>& encoded) const {
  const auto [shard, row] = place(sample);
  shard.read_encoded(row, encoded);
  return shard.labels()[static_cast<size_t>(row)];
}

void Dataset::will_need(int64_t begin, int64_t count) const {
  while (count > 0) {
    const auto [shard, row] = place(begin);
    const int64_t here = std::min(count, shard.header().count - row);
    shard.will_need(row, here);
    begin += here;
    count -= here;
  }
}

void Dataset::read_one(int64_t sample, void* image, int32_t* label) const {
  read(sample, 1, image, label);
}

void Dataset::read(int64_t begin, int64_t count, void* images, int32_t* labels) const {
  if (begin < 0 || count < 0 || count > size_ - begin) {
    fail(ExitCode::internal, folder_, ": samples ", begin, " to ", begin + count, " asked of ", size_);
  }
  auto* image = static_cast<std::byte*>(images);
  auto shard = static_cast<size_t>(std::upper_bound(starts_.begin(), starts_.end(), begin) - starts_.begin()) - 1;
  for (; count > 0; ++shard) {
    const int64_t row = begin - starts_[shard];
    const int64_t here = std::min(count, starts_[shard + 1] - begin);
    shards_[shard]->read(row, here, image);
    labels = std::copy_n(shards_[shard]->labels().begin() + row, here, labels);
    image += static_cast<size_t>(here) * image_bytes();
    begin += here;
    count -= here;
  }
}

}  // namespace convoy
