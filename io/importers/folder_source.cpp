// A folder of class folders, the layout of ImageNet's training pictures: DIR/CLASS/*.jpg, .jpeg or .png.
#include <algorithm>
#include <filesystem>

#include "core/base/error.hpp"
#include "io/importers/listed_source.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

class FolderSource : public ListedSource {
 public:
  explicit FolderSource(const SourceOptions& options);
  std::string name(int64_t i) const override { return entry(i).name; }
  void fetch(int64_t i, Sample& sample) const override;

 private:
  void list(const fs::path& folder);
  void list_class(const fs::path& folder);
  std::string deeper_;  // the first folder that holds folders, where one for each class was expected
};

[[noreturn]] void fail_listing(const fs::path& folder, const std::error_code& error) {
  fail(ExitCode::data, folder.string(), ": cannot be listed: ", error.message(),
       "; check the path, and ask for permission to read it");
}

FolderSource::FolderSource(const SourceOptions& options) {
  std::string all;
  for (const SourceFile& file : options.files) {
    list(fs::path(file.path).lexically_normal());
    all += (all.empty() ? "" : ", ") + file.shown;
  }
  if (entries_.empty() && !deeper_.empty()) {
    fail(ExitCode::data, all, ": holds no pictures in class folders (CLASS/*.jpg, .jpeg or .png), but ", deeper_,
         " may hold the class folders; give that one");
  }
  settle(options.class_list, all);
}

void FolderSource::list(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail(ExitCode::data, folder.string(), ": is ", fs::exists(folder, error) ? "no folder" : "not there",
         "; give a folder that holds one folder for each class");
  }
  for (const auto& child : fs::directory_iterator(folder, error)) {
    std::error_code unknown;
    if (child.is_directory(unknown)) {
      list_class(child.path());
    } else {
      leave_out("in no class folder", child.path().string());
    }
  }
  if (error) fail_listing(folder, error);
}

void FolderSource::list_class(const fs::path& folder) {
  const std::string class_name = folder.filename().string();
  std::error_code error;
  for (const auto& child : fs::directory_iterator(folder, error)) {
    const std::string path = child.path().string();
    std::error_code unknown;
    if (child.is_directory(unknown)) {
      leave_out("folders within class folders", path);
      if (deeper_.empty()) deeper_ = folder.string();
      continue;
    }
    if (!is_picture(leaf_of(path), path)) continue;
    // A size that cannot be told, of a link to nowhere, is 0: fetch() says what is wrong.
    const uintmax_t bytes = child.file_size(unknown);
    add(class_name, {.name = path, .bytes = unknown ? 0 : bytes});
  }
  if (error) fail_listing(folder, error);
}

void FolderSource::fetch(int64_t i, Sample& sample) const {
  const std::string& path = entry(i).name;
  const FileDescriptor file = open_to_read(path);
  sample.encoded.resize(size_of_file(file, path));
  sample.encoded.resize(read_at(file, path, sample.encoded.data(), sample.encoded.size(), 0));
}

}  // namespace

std::unique_ptr<SampleSource> open_folder(const SourceOptions& options) {
  return std::make_unique<FolderSource>(options);
}

}  // namespace convoy
