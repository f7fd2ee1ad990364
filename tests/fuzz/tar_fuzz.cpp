// Fuzz target: whatever bytes a tar archive has, its members lie inside it, or it is refused with one line.
#include "io/importers/tar_index.hpp"
#include "tests/fuzz/targets.hpp"

namespace convoy::fuzz {
namespace {

/// Lists the archive in [begin, begin + bytes) of the file, and the archives in it.
void list(const FileDescriptor& descriptor, const std::string& path, uint64_t begin, uint64_t bytes, int depth) {
  read_or_refuse(ExitCode::data, path, [&] {
    const TarIndex index = index_tar(descriptor, path, begin, bytes);
    require(index.damage.find('\n') == std::string::npos, "a message of several lines", index.damage.c_str());
    for (const TarMember& member : index.members) {
      require(member.offset >= begin && member.offset <= begin + bytes, "a member outside", member.name.c_str());
      require(member.bytes <= begin + bytes - member.offset, "a member that ends outside", member.name.c_str());
      if (depth < 2) list(descriptor, path, member.offset, member.bytes, depth + 1);
    }
  });
}

}  // namespace

void tar(std::string_view bytes) {
  const InputFile file(bytes);
  list(open_to_read(file.path()), file.path(), 0, bytes.size(), 0);
}

}  // namespace convoy::fuzz

CONVOY_FUZZ_ENTRY(tar)
