// IDX files as a source: read whole, and checked against each other, before anything is written.
#include <algorithm>
#include <utility>

#include "core/base/crc32c.hpp"
#include "core/base/error.hpp"
#include "io/importers/idx.hpp"
#include "io/importers/source.hpp"

namespace convoy {
namespace {

class IdxSource : public SampleSource {
 public:
  explicit IdxSource(const SourceOptions& options);

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  bool encoded() const override { return false; }
  Shape image() const override { return image_; }
  bool by_class() const override { return false; }
  int32_t label(int64_t i) const override { return labels_[static_cast<size_t>(i)]; }
  std::string name(int64_t i) const override { return concat(path_, ": image ", i); }
  uint64_t bytes(int64_t) const override { return static_cast<uint64_t>(image_.count()); }
  void identify(Hash& hash) const override;
  void fetch(int64_t i, Sample& sample) const override;

 private:
  std::string path_;
  Shape image_;
  std::vector<uint8_t> pixels_, labels_;
};

IdxSource::IdxSource(const SourceOptions& options) : path_(options.files[0].shown) {
  const std::string& label_path = options.files[1].shown;
  IdxArray images = read_idx(path_);
  IdxArray labels = read_idx(label_path);
  const std::vector<int64_t>& dims = images.dimensions;
  if (dims.size() < 3) {
    fail(ExitCode::data, path_, ": has ", dims.size(),
         " dimension(s), images have (N,H,W) or (N,H,W,C); were images and labels given in the wrong order?");
  }
  if (labels.dimensions.size() != 1) {
    fail(ExitCode::data, label_path, ": has ", labels.dimensions.size(),
         " dimensions, labels have one; were images and labels given in the wrong order?");
  }
  if (dims[0] != labels.dimensions[0]) {
    fail(ExitCode::data, path_, ": holds ", dims[0], " images, but ", label_path, " holds ", labels.dimensions[0],
         " labels; give files that belong together");
  }
  image_ = {dims[1], dims[2], dims.size() == 4 ? dims[3] : 1};
  pixels_ = std::move(images.data);
  labels_ = std::move(labels.data);
  if (pixels_.empty()) fail(ExitCode::data, path_, ": holds no images; give a file that does");

  classes_ = options.class_list;
  class_count_ =
      classes_.empty() ? 1 + *std::max_element(labels_.begin(), labels_.end()) : static_cast<int64_t>(classes_.size());
  const auto wrong = std::find_if(labels_.begin(), labels_.end(), [&](uint8_t x) { return x >= class_count_; });
  if (wrong == labels_.end()) return;
  fail(ExitCode::data, label_path, ": label ", wrong - labels_.begin(), " is ", int{*wrong}, ", but ", classes_.size(),
       " classes are named (0 to ", classes_.size() - 1, "); name all classes, or correct the labels");
}

void IdxSource::identify(Hash& hash) const {
  hash.add(image_.text());
  hash.add(size());
  hash.add(int64_t{crc32c(pixels_.data(), pixels_.size())} << 32 | crc32c(labels_.data(), labels_.size()));
}

void IdxSource::fetch(int64_t i, Sample& sample) const {
  const auto count = static_cast<std::ptrdiff_t>(image_.count());
  const auto begin = pixels_.begin() + i * count;
  sample.encoded.clear();
  sample.image.height = image_[0], sample.image.width = image_[1], sample.image.channels = image_[2];
  sample.image.pixels.assign(begin, begin + count);
}

}  // namespace

std::unique_ptr<SampleSource> open_idx(const SourceOptions& options) {
  return std::make_unique<IdxSource>(options);
}

}  // namespace convoy
