// Tar archives of class folders: ANYTHING/CLASS/*.jpg.
#include "core/base/error.hpp"
#include "io/importers/listed_source.hpp"

namespace convoy {
namespace {

class TarSource : public ArchivedSource {
 public:
  explicit TarSource(const SourceOptions& options);

 private:
  void take(const TarMember& member, const std::string& shown, int32_t archive, const std::string& part);

  // The folder that holds the class folders, and a member that shows it.
  std::string above_, example_;
};

TarSource::TarSource(const SourceOptions& options) : ArchivedSource(options.files) {
  std::string all;
  for (size_t i = 0; i < archives_.size(); ++i) {
    Archive& archive = archives_[i];
    for (const TarMember& member : archive.index.members) {
      take(member, archive.shown, static_cast<int32_t>(i), options.part);
    }
    archive.index = {};  // its names are in the list now
    all += (all.empty() ? "" : ", ") + archive.shown;
  }
  if (entries_.empty() && !options.part.empty()) {
    fail(ExitCode::data, all, ": has no pictures in class folders below a folder ", options.part,
         "; correct --part, or leave it out");
  }
  settle(options.class_list, all);
}

void TarSource::take(const TarMember& member, const std::string& shown, int32_t archive, const std::string& part) {
  const std::string_view folder = folder_part(member.name);
  const std::string class_name(leaf_of(folder)), above(folder_part(folder));
  if (!part.empty() && above != part && !above.ends_with("/" + part)) {
    leave_out("in another part of the archive", member.name);
    return;
  }
  if (!is_picture(leaf_of(member.name), member.name)) return;
  if (class_name.empty()) {
    leave_out("in no class folder", member.name);
    return;
  }
  if (example_.empty()) {
    above_ = above;
    example_ = member.name;
  } else if (above != above_) {
    fail(ExitCode::usage, shown, ": has class folders in two places, as ", example_, " and ", member.name,
         " show; choose one by --part, as --part ", above.empty() ? above_ : above);
  }
  add(class_name, {.name = member.name, .offset = member.offset, .bytes = member.bytes, .archive = archive});
}

}  // namespace

std::unique_ptr<SampleSource> open_tar(const SourceOptions& options) {
  return std::make_unique<TarSource>(options);
}

}  // namespace convoy
