// Archives by libarchive, of every format that tar has had, with members of several types, and one inside another.
#include <archive.h>
#include <archive_entry.h>

#include "tests/fuzz/seeds.hpp"

namespace convoy::fuzz {
namespace {

struct Member {
  std::string name, data;
  unsigned type = AE_IFREG;
};

std::string tar_of(const std::vector<Member>& members, int format) {
  archive* writer = archive_write_new();
  archive_write_set_format(writer, format);
  archive_write_set_bytes_per_block(writer, 512);
  std::string out(64 << 10, '\0');
  size_t used = 0;
  archive_write_open_memory(writer, out.data(), out.size(), &used);
  for (const Member& member : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, member.name.c_str());
    archive_entry_set_filetype(entry, member.type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(member.data.size()));
    if (member.type == AE_IFLNK) archive_entry_set_symlink(entry, "elsewhere");
    archive_write_header(writer, entry);
    archive_write_data(writer, member.data.data(), member.data.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

}  // namespace

std::vector<std::string> tar_seeds() {
  const std::vector<Member> members = {{"train/", "", AE_IFDIR},
                                       {"train/cat/1.jpg", "abc"},
                                       {"train/link", "", AE_IFLNK},
                                       {"train/" + std::string(150, 'n') + "/2.jpg", std::string(700, 'x')},
                                       {"./empty", ""}};
  std::vector<std::string> seeds;
  for (const int format : {ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FORMAT_TAR_GNUTAR,
                           ARCHIVE_FORMAT_TAR_PAX_RESTRICTED}) {
    seeds.push_back(tar_of(members, format));
    seeds.push_back(tar_of({{"n01440764.tar", tar_of({{"a.JPEG", "1"}, {"b.JPEG", "22"}}, format)}}, format));
  }
  return seeds;
}

}  // namespace convoy::fuzz
