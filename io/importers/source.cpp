// The table of sources.
#include "io/importers/source.hpp"

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {
namespace {

struct Kind {
  const char* name;
  std::unique_ptr<SampleSource> (*open)(const SourceOptions& options);
};

constexpr Kind kinds[] = {{"idx", open_idx}, {"cifar", open_cifar},       {"folder", open_folder},
                          {"tar", open_tar}, {"imagenet", open_imagenet}, {"hdf5", open_hdf5}};

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

std::unique_ptr<SampleSource> open_source(const SourceOptions& options) {
  for (const Kind& kind : kinds) {
    if (options.kind == kind.name) return kind.open(options);
  }
  fail(ExitCode::usage, options.kind, ": there is no such kind of source; there are ", join(source_kinds(), ", "));
}

}  // namespace convoy
