// Files in memory, with a path that every reader can open.
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/targets.hpp"

namespace convoy::fuzz {

MemoryFile::MemoryFile(std::string_view bytes) : file_(memfd_create("convoy-fuzz", MFD_CLOEXEC)) {
  require(file_ >= 0, "no file in memory", "memfd_create");
  require(write(file_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "short write", "memfd");
  path_ = "/proc/self/fd/" + std::to_string(file_);
}

MemoryFile::~MemoryFile() {
  close(file_);
}

}  // namespace convoy::fuzz
