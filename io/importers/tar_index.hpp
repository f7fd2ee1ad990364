// The table of contents of a tar archive, so that its members can be read at random, by pread. libarchive reads the
// headers; nothing is ever unpacked to disk, so names inside can do no harm.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "io/posix_file.hpp"

namespace convoy {

struct TarMember {
  std::string name;                // "train/cat/1.jpg", without "./" in front
  uint64_t offset = 0, bytes = 0;  // of its data, from the beginning of the file
};

struct TarIndex {
  std::vector<TarMember> members;  // regular files and hard links to such before them, in their order
  std::vector<std::string> links;  // names of all other links, which are not followed
  std::string damage;              // "", or what is wrong behind the last member, with where: nothing can be read there
};

/// The archive in the `bytes` bytes of an uncompressed file that begin at `begin`; a member that is a tar archive
/// itself can be listed like this. `shown` names it in messages. Throws Error(data) for what is no tar archive.
TarIndex index_tar(const FileDescriptor& file, const std::string& shown, uint64_t begin, uint64_t bytes);

}  // namespace convoy
