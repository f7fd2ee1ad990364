// What tells files of one name and size apart without reading them whole.
#include "io/importers/hash.hpp"

#include <algorithm>
#include <vector>

#include "core/base/crc32c.hpp"

namespace convoy {

void add_ends(Hash& hash, const FileDescriptor& file, const std::string& shown, uint64_t begin, uint64_t bytes) {
  constexpr uint64_t end_bytes = 1 << 20;
  std::vector<char> buffer(static_cast<size_t>(std::min(bytes, end_bytes)));
  for (const uint64_t offset : {begin, begin + bytes - buffer.size()}) {
    hash.add(int64_t{crc32c(buffer.data(), read_at(file, shown, buffer.data(), buffer.size(), offset))});
  }
}

}  // namespace convoy
