// Reading the headers of a tar archive by libarchive, which skips the data between them without reading it.
#include "io/importers/tar_index.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <unordered_map>

#include "core/base/error.hpp"

namespace convoy {
namespace {

/// The bytes that libarchive sees.
struct Window {
  const FileDescriptor& file;
  const std::string& shown;
  uint64_t begin, bytes, at = 0;
  std::vector<char> buffer = std::vector<char>(64 << 10);
  std::string error;  // exceptions must not pass through C
};

la_ssize_t read_window(archive*, void* user, const void** data) {
  Window& window = *static_cast<Window*>(user);
  const auto wanted = static_cast<size_t>(std::min<uint64_t>(window.buffer.size(), window.bytes - window.at));
  *data = window.buffer.data();
  try {
    const size_t got = read_at(window.file, window.shown, window.buffer.data(), wanted, window.begin + window.at);
    window.at += got;
    return static_cast<la_ssize_t>(got);
  } catch (const Error& error) {
    window.error = error.what();
    return ARCHIVE_FATAL;
  }
}

la_int64_t skip_window(archive*, void* user, la_int64_t wanted) {
  Window& window = *static_cast<Window*>(user);
  const uint64_t skipped = std::min(static_cast<uint64_t>(wanted), window.bytes - window.at);
  window.at += skipped;
  return static_cast<la_int64_t>(skipped);
}

struct Free {
  void operator()(archive* a) const { archive_read_free(a); }
};

std::string plain_name(const char* name) {
  std::string_view rest = name ? name : "";
  while (rest.starts_with("./")) rest.remove_prefix(2);
  return std::string(rest);
}

/// Members by name, for hard links; filled when the first is met, so that archives without any do without.
class Targets {
 public:
  /// The latest member of the name, or nullptr.
  const TarMember* find(const std::vector<TarMember>& members, const std::string& name) {
    for (; known_ < members.size(); ++known_) places_[members[known_].name] = known_;
    const auto found = places_.find(name);
    return found == places_.end() ? nullptr : &members[found->second];
  }

 private:
  std::unordered_map<std::string, size_t> places_;
  size_t known_ = 0;
};

/// A hard link is one more name of the target's data.
void add_link(archive_entry* entry, const std::string& name, Targets& targets, TarIndex& index) {
  const char* hard = archive_entry_hardlink(entry);
  if (const TarMember* target = hard ? targets.find(index.members, plain_name(hard)) : nullptr) {
    index.members.push_back({.name = name, .offset = target->offset, .bytes = target->bytes});
  } else {
    index.links.push_back(name);
  }
}

}  // namespace

TarIndex index_tar(const FileDescriptor& file, const std::string& shown, uint64_t begin, uint64_t bytes) {
  Window window{.file = file, .shown = shown, .begin = begin, .bytes = bytes};
  const std::unique_ptr<archive, Free> reader(archive_read_new());
  archive* a = reader.get();
  archive_read_support_format_tar(a);
  archive_read_open2(a, &window, nullptr, read_window, skip_window, nullptr);

  TarIndex index;
  Targets targets;
  constexpr uint64_t block = 512;  // what a tar archive is made of; zero blocks mark its end
  uint64_t end = 0;                // of the last member whose header was read
  std::string last;
  archive_entry* entry = nullptr;
  int result;
  while ((result = archive_read_next_header(a, &entry)) == ARCHIVE_OK || result == ARCHIVE_WARN) {
    // A warning is about a name that is not UTF-8 and the like; the place of the data is known all the same.
    const auto offset = static_cast<uint64_t>(archive_filter_bytes(a, 0));
    const auto size = static_cast<uint64_t>(std::max<la_int64_t>(archive_entry_size(entry), 0));
    const bool hard = archive_entry_hardlink(entry) && size == 0;  // the pax format lets a hard link have data, too
    const bool regular = archive_entry_filetype(entry) == AE_IFREG && !hard;
    last = plain_name(archive_entry_pathname(entry));
    if (offset > bytes || size > bytes - offset) {
      index.damage = concat(shown, ": is cut short: its member ", last, " has ", size, " bytes from byte ",
                            begin + offset, ", but the archive ends at byte ", begin + bytes);
      return index;
    }
    end = offset + (regular ? size : 0);
    if (regular && archive_entry_sparse_count(entry) > 0) {
      index.damage = concat(shown, ": its member ", last, " at byte ", begin + offset,
                            " is stored as a sparse file, which is not read");
      return index;
    }
    if (regular) index.members.push_back({.name = last, .offset = begin + offset, .bytes = size});
    // libarchive gives a hard link no type, even where it names no target.
    const bool link = hard || archive_entry_filetype(entry) == AE_IFLNK || archive_entry_filetype(entry) == 0;
    if (link) add_link(entry, last, targets, index);
  }
  if (!window.error.empty()) fail(ExitCode::data, window.error);
  const uint64_t border = (end + block - 1) / block * block;
  const bool marked = static_cast<uint64_t>(archive_filter_bytes(a, 0)) >= border + block;
  if (result == ARCHIVE_EOF && last.empty()) {
    fail(ExitCode::data, shown, ": is an archive of nothing; check the path, or fetch it again");
  }
  if (result == ARCHIVE_EOF && marked) return index;
  const char* said = result == ARCHIVE_EOF ? "there is no mark of the end" : archive_error_string(a);
  if (last.empty()) {
    fail(ExitCode::data, shown, ": is no tar archive (libarchive: ", said ? said : "no reason given",
         "); check the path, or fetch it again");
  }
  index.damage = concat(shown, ": is cut short or damaged after its member ", last, ", which ends at byte ",
                        begin + end, " (libarchive: ", said ? said : "no reason given", ")");
  return index;
}

}  // namespace convoy
