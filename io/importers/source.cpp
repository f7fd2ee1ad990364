// The table of sources.
#include "io/importers/source.hpp"

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {
namespace {

struct Kind {
  const char* name;
  size_t least_files, most_files;
  const char* takes;
  bool has_part, has_labels;  // whether --part and --labels mean something
  std::unique_ptr<SampleSource> (*open)(const SourceOptions& options);
};

constexpr size_t any = 100000;
constexpr Kind kinds[] = {
    {"idx", 2, 2, "two files: IMAGES LABELS", false, false, open_idx},
    {"cifar", 1, any, "data_batch_*.bin, their folder, or cifar-10-binary.tar.gz", true, true, open_cifar},
    {"folder", 1, any, "a folder that holds one folder for each class", false, false, open_folder},
    {"tar", 1, any, "an archive that holds one folder for each class", true, false, open_tar},
    {"imagenet", 1, 1, "one file: ILSVRC2012_img_train.tar, or ILSVRC2012_img_val.tar with --labels FILE", false, true,
     open_imagenet},
    {"hdf5", 1, 1, "one file or folder", false, false, open_hdf5}};

const Kind& kind_of(const SourceOptions& options) {
  for (const Kind& kind : kinds) {
    if (options.kind == kind.name) return kind;
  }
  const std::string nearest = nearest_word(options.kind, source_kinds());
  fail(ExitCode::usage, options.kind, ": is no kind of source; ",
       nearest.empty() ? "" : "did you mean '" + nearest + "'? ", "there are ", join(source_kinds(), ", "));
}

}  // namespace

void SampleSource::leave_out(const std::string& reason, const std::string& name) {
  constexpr size_t shown = 3;
  LeftOut& group = left_out_[reason];
  ++group.count;
  if (group.names.size() < shown) group.names.push_back(name);
}

const std::vector<std::string>& source_kinds() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Kind& kind : kinds) all.emplace_back(kind.name);
    return all;
  }();
  return names;
}

void check_source_options(const SourceOptions& options) {
  const Kind& kind = kind_of(options);
  const size_t files = options.files.size();
  if (files < kind.least_files || files > kind.most_files) {
    fail(ExitCode::usage, "convoy import ", kind.name, ": ", files, files == 1 ? " source" : " sources",
         " given; it takes ", kind.takes);
  }
  if (!options.part.empty() && !kind.has_part) {
    fail(ExitCode::usage, "--part ", options.part, ": ", kind.name, " has no parts; leave it out");
  }
  if (!options.labels.empty() && !kind.has_labels) {
    fail(ExitCode::usage, "--labels ", options.labels, ": ", kind.name, " has its own labels; leave it out");
  }
}

std::unique_ptr<SampleSource> open_source(const SourceOptions& options) {
  check_source_options(options);
  return kind_of(options).open(options);
}

}  // namespace convoy
