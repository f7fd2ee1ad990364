// CIFAR-10 and CIFAR-100 in their binary versions (https://www.cs.toronto.edu/~kriz/cifar.html): records of one label
// (CIFAR-100: a coarse and a fine one) and 32x32 pixels, all red ones, then green, then blue, each row by row. As
// files, as a folder, or in the tar archive as published.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/error.hpp"
#include "io/importers/listed_source.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr int64_t side = 32, plane = side * side;
constexpr uint64_t record10 = 1 + 3 * plane, record100 = 2 + 3 * plane;

/// A file's bytes, or a member's of an archive.
struct Part {
  std::string shown;
  FileDescriptor file;
  uint64_t begin = 0, bytes = 0;
  int64_t records = 0;
};

class CifarSource : public SampleSource {
 public:
  explicit CifarSource(const SourceOptions& options);

  int64_t size() const override { return size_; }
  bool encoded() const override { return false; }
  Shape image() const override { return {side, side, 3}; }
  bool by_class() const override { return false; }
  int32_t label(int64_t i) const override;
  std::string name(int64_t i) const override;
  uint64_t bytes(int64_t) const override { return 3 * plane; }
  void identify(Hash& hash) const override;
  void fetch(int64_t i, Sample& sample) const override;

 private:
  struct Place {
    const Part& part;
    int64_t record;
    uint64_t offset;
  };
  void open_folder_of(const fs::path& folder);
  void open_file(const SourceFile& file);
  void open_archive(const SourceFile& file);
  bool wants(std::string_view leaf) const;
  void add_part(Part part);
  void settle(const SourceOptions& options);
  Place place(int64_t i) const;

  std::string wanted_part_;
  std::vector<Part> parts_;
  std::map<std::string, std::string> texts_;  // what files of class names hold, by their name
  uint64_t record_ = 0;
  uint64_t label_at_ = 0;
  int64_t size_ = 0;
};

constexpr std::array name_files = {"batches.meta.txt", "fine_label_names.txt", "coarse_label_names.txt"};

bool is_names(std::string_view leaf) {
  return std::ranges::find(name_files, leaf) != name_files.end();
}

std::string bytes_at(const FileDescriptor& file, const std::string& shown, uint64_t begin, uint64_t bytes) {
  constexpr uint64_t most = 1 << 16;
  std::string text(std::min(bytes, most), '\0');
  text.resize(read_at(file, shown, text.data(), text.size(), begin));
  return text;
}

bool CifarSource::wants(std::string_view leaf) const {
  if (!leaf.ends_with(".bin")) return false;
  if (wanted_part_ == "test") return leaf == "test_batch.bin" || leaf == "test.bin";
  return leaf.starts_with("data_batch_") || leaf == "train.bin";
}

void CifarSource::add_part(Part part) {
  const std::string_view leaf = leaf_of(part.shown);
  const bool ten = part.bytes > 0 && part.bytes % record10 == 0,
             hundred = part.bytes > 0 && part.bytes % record100 == 0;
  if (!ten && !hundred) {
    fail(ExitCode::data, part.shown, ": has ", part.bytes, " bytes, no whole number of records of CIFAR-10 (", record10,
         " bytes) or CIFAR-100 (", record100, "); fetch the binary version again");
  }
  // Both fit only a file of a multiple of 9,446,402 bytes.
  const bool named_hundred = leaf == "train.bin" || leaf == "test.bin";
  const uint64_t record = hundred && (named_hundred || !ten) ? record100 : record10;
  if (record_ != 0 && record != record_) {
    fail(ExitCode::data, part.shown, ": has records of ", record, " bytes, the files before it of ", record_,
         "; import CIFAR-10 and CIFAR-100 apart from each other");
  }
  record_ = record;
  part.records = static_cast<int64_t>(part.bytes / record);
  size_ += part.records;
  parts_.push_back(std::move(part));
}

void CifarSource::open_folder_of(const fs::path& folder) {
  std::error_code error;
  std::vector<std::string> paths;
  for (const auto& child : fs::directory_iterator(folder, error)) paths.push_back(child.path().string());
  std::ranges::sort(paths);
  for (const std::string& path : paths) {
    if (!wants(leaf_of(path)) && !is_names(leaf_of(path))) continue;
    FileDescriptor file = open_to_read(path);
    const uint64_t bytes = size_of_file(file, path);
    if (is_names(leaf_of(path))) {
      texts_[std::string(leaf_of(path))] = bytes_at(file, path, 0, bytes);
    } else {
      add_part({.shown = path, .file = std::move(file), .bytes = bytes});
    }
  }
  if (parts_.empty()) {
    fail(ExitCode::data, folder.string(), ": holds no data_batch_*.bin, train.bin, test_batch.bin or test.bin",
         wanted_part_.empty() ? "" : " of the part asked for", "; give the binary version of CIFAR");
  }
}

/// With the names of classes that may lie beside it.
void CifarSource::open_file(const SourceFile& source) {
  FileDescriptor file = open_to_read(source.path);
  const uint64_t bytes = size_of_file(file, source.shown);
  add_part({.shown = source.shown, .file = std::move(file), .bytes = bytes});
  for (const char* name : name_files) {
    const std::string path = fs::path(source.path).replace_filename(name).string();
    std::error_code error;
    if (!fs::is_regular_file(path, error)) continue;
    const FileDescriptor names = open_to_read(path);
    texts_[name] = bytes_at(names, path, 0, size_of_file(names, path));
  }
}

void CifarSource::open_archive(const SourceFile& source) {
  FileDescriptor file = open_to_read(source.path);
  TarIndex index = index_tar(file, source.shown, 0, size_of_file(file, source.shown));
  if (!index.damage.empty()) damage_.push_back(index.damage);
  for (const std::string& link : index.links) leave_out_link(link);
  std::ranges::sort(index.members, {}, &TarMember::name);
  for (const TarMember& member : index.members) {
    const std::string_view leaf = leaf_of(member.name);
    const std::string shown = source.shown + ": " + member.name;
    if (is_names(leaf)) {
      texts_[std::string(leaf)] = bytes_at(file, shown, member.offset, member.bytes);
    } else if (wants(leaf)) {
      add_part({.shown = shown, .file = open_to_read(source.path), .begin = member.offset, .bytes = member.bytes});
    }
  }
  if (parts_.empty() && damage_.empty()) {
    fail(ExitCode::data, source.shown,
         ": holds no data_batch_*.bin or train.bin (for --part test: test_batch.bin or "
         "test.bin); give the binary version of CIFAR");
  }
}

CifarSource::CifarSource(const SourceOptions& options) : wanted_part_(options.part) {
  if (!options.part.empty() && options.part != "train" && options.part != "test") {
    fail(ExitCode::usage, "--part ", options.part, ": CIFAR has train and test; give one of these");
  }
  for (const SourceFile& file : options.files) {
    std::error_code error;
    if (fs::is_directory(file.path, error)) {
      open_folder_of(file.path);
    } else if (file.shown.ends_with(".bin")) {
      open_file(file);
    } else {
      open_archive(file);
    }
  }
  settle(options);
}

/// Which label counts, and what classes are called.
void CifarSource::settle(const SourceOptions& options) {
  const bool hundred = record_ == record100, coarse = options.labels == "coarse";
  if (!options.labels.empty() && !coarse && options.labels != "fine") {
    fail(ExitCode::usage, "--labels ", options.labels, ": CIFAR-100 has fine and coarse; give one of these");
  }
  if (!options.labels.empty() && !hundred) {
    fail(ExitCode::usage, "--labels ", options.labels, ": these are records of CIFAR-10; leave it out");
  }
  label_at_ = hundred && !coarse ? 1 : 0;
  class_count_ = !hundred ? 10 : coarse ? 20 : 100;
  classes_ = options.class_list;
  if (classes_.empty()) {
    std::istringstream text(texts_[!hundred ? "batches.meta.txt"
                                   : coarse ? "coarse_label_names.txt"
                                            : "fine_label_names.txt"]);
    for (std::string line; std::getline(text, line);) {
      line.erase(line.find_last_not_of(" \t\r") + 1);
      if (!line.empty()) classes_.push_back(line);
    }
    if (std::cmp_not_equal(classes_.size(), class_count_)) classes_.clear();
  }
  if (!classes_.empty() && std::cmp_not_equal(classes_.size(), class_count_)) {
    fail(ExitCode::usage, "--classes: names ", classes_.size(), " classes; CIFAR has ", class_count_, " here");
  }
}

CifarSource::Place CifarSource::place(int64_t i) const {
  size_t part = 0;
  for (; i >= parts_[part].records; ++part) i -= parts_[part].records;
  return {.part = parts_[part], .record = i, .offset = parts_[part].begin + static_cast<uint64_t>(i) * record_};
}

std::string CifarSource::name(int64_t i) const {
  const Place at = place(i);
  return concat(at.part.shown, ": record ", at.record, " at byte ", at.offset);
}

int32_t CifarSource::label(int64_t i) const {
  const Place at = place(i);
  uint8_t label = 0;
  read_at(at.part.file, at.part.shown, &label, 1, at.offset + label_at_);
  if (label < class_count_) return label;
  fail(ExitCode::data, name(i), ": has the label ", int{label}, ", outside 0 to ", class_count_ - 1,
       "; fetch it again");
}

void CifarSource::identify(Hash& hash) const {
  hash.add(static_cast<int64_t>(label_at_));
  for (const std::string& name : classes_) hash.add(name);
  for (const Part& part : parts_) {
    hash.add(leaf_of(part.shown));
    hash.add(static_cast<int64_t>(part.bytes));
    add_contents(hash, part.file, part.shown, part.begin, part.bytes);
  }
}

void CifarSource::fetch(int64_t i, Sample& sample) const {
  const Place at = place(i);
  std::array<uint8_t, 3 * plane> planes;
  const uint64_t begin = at.offset + record_ - planes.size();
  if (read_at(at.part.file, at.part.shown, planes.data(), planes.size(), begin) < planes.size()) {
    fail(ExitCode::data, name(i), ": the file was cut short while it was read; fetch it again");
  }
  sample.encoded.clear();
  Image& image = sample.image;
  image.height = image.width = side;
  image.channels = 3;
  image.pixels.resize(planes.size());
  for (size_t pixel = 0; pixel < plane; ++pixel) {
    for (size_t c = 0; c < 3; ++c) image.pixels[3 * pixel + c] = planes[c * plane + pixel];
  }
}

}  // namespace

std::unique_ptr<SampleSource> open_cifar(const SourceOptions& options) {
  return std::make_unique<CifarSource>(options);
}

}  // namespace convoy
