// Made-up pictures: smooth colours with noise on them, so that as JPEG they are as large as photographs are.
#include "launchers/run/made_up_dataset.hpp"

#include <cstdlib>
#include <filesystem>

#include "core/base/error.hpp"
#include "core/base/random.hpp"
#include "io/image/encode.hpp"
#include "io/posix_file.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    const char* parent = std::getenv("TMPDIR");
    path_ = std::string(parent && *parent ? parent : "/tmp") + "/convoy-made-up-XXXXXX";
    if (!mkdtemp(path_.data())) fail_storage(path_, "be made", errno);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Image made_up_picture(const Shape& shape, int64_t number) {
  Image image{.height = shape[0], .width = shape[1], .channels = shape[2], .pixels = {}};
  image.pixels.resize(image.bytes());
  const RandomStream random(1, RandomPurpose::test, static_cast<uint64_t>(number));
  const float slope_y = random.uniform(0), slope_x = random.uniform(1), start = random.uniform(2);
  size_t at = 0;
  for (int64_t y = 0; y < shape[0]; ++y) {
    for (int64_t x = 0; x < shape[1]; ++x) {
      const float smooth = 60 + 60 * start +
                           60 * (slope_y * static_cast<float>(y) / static_cast<float>(shape[0]) +
                                 slope_x * static_cast<float>(x) / static_cast<float>(shape[1]));
      const PhiloxBlock noise = random.block(1 + static_cast<uint64_t>(y * shape[1] + x));
      for (int64_t c = 0; c < shape[2]; ++c, ++at) {
        image.pixels[at] = static_cast<uint8_t>(smooth + static_cast<float>(noise.word[c % 4] >> 28) +
                                                static_cast<float>(noise.word[3] >> 31) * 8);
      }
    }
  }
  return image;
}

void write_shards(const std::string& folder, const MadeUpDatasetOptions& options) {
  constexpr int64_t different = 64;  // then they come again: making them must not take longer than measuring
  std::vector<Image> pictures;
  std::vector<std::vector<std::byte>> encoded;
  for (int64_t i = 0; i < std::min(different, options.images); ++i) {
    pictures.push_back(made_up_picture(options.image, i));
    if (options.encoding == Encoding::jpeg) encoded.push_back(encode_jpeg(pictures.back(), 85));
  }
  ShardHeader header{.image = options.image, .encoding = options.encoding, .class_count = 10, .dataset_id = "made-up"};
  header.shards = options.images > 1 ? 2 : 1;
  for (header.shard = 0; header.shard < header.shards; ++header.shard) {
    const int64_t begin = options.images * header.shard / header.shards;
    const int64_t end = options.images * (header.shard + 1) / header.shards;
    header.count = end - begin;
    ShardWriter writer(folder + "/shard-" + std::to_string(header.shard) + ".h5", header);
    for (int64_t i = begin; i < end; ++i) {
      const auto label = static_cast<int32_t>(i % 10);
      const auto which = static_cast<size_t>(i % different);
      if (options.encoding == Encoding::raw) {
        writer.append(pictures[which].pixels.data(), &label, 1);
      } else {
        writer.append_encoded(encoded[which], label, pictures[which]);
      }
    }
    writer.commit();
  }
}

}  // namespace

std::vector<std::unique_ptr<Dataset>> open_made_up(const MadeUpDatasetOptions& options,
                                                   const std::vector<ReadOptions>& reads) {
  const Folder folder;
  write_shards(folder.path(), options);
  std::vector<std::unique_ptr<Dataset>> datasets;
  for (const ReadOptions& read : reads) datasets.push_back(std::make_unique<Dataset>(folder.path(), read));
  return datasets;
}

}  // namespace convoy
