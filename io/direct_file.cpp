// Reading past the page cache: whole blocks into aligned memory.
#include "io/direct_file.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "io/pages.hpp"

namespace convoy {
namespace {

constexpr uint64_t block = 4096;
constexpr size_t bounce_bytes = 1 << 20;  // a thread's; a multiple of a block

}  // namespace

std::optional<DirectFile> DirectFile::open(const std::string& path, std::string& why_not) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_DIRECT));
  if (file.get() >= 0) {
    // Some file systems take the flag and refuse the reads.
    const Pages page = allocate_pages(block);
    ssize_t got = 0;
    do {
      got = pread(file.get(), page.get(), block, 0);
    } while (got < 0 && errno == EINTR);
    if (got >= 0) return DirectFile(std::move(file));
  }
  why_not = std::strerror(errno);
  return std::nullopt;
}

size_t DirectFile::read_at(const std::string& path, void* data, size_t bytes, uint64_t offset) const {
  auto* to = static_cast<std::byte*>(data);
  if (offset % block == 0 && bytes % block == 0 && reinterpret_cast<uintptr_t>(data) % block == 0) {
    return convoy::read_at(file_, path, data, bytes, offset);
  }
  thread_local const Pages bounce = allocate_pages(bounce_bytes);
  size_t done = 0;
  while (done < bytes) {
    const uint64_t begin = (offset + done) / block * block;
    const auto skipped = static_cast<size_t>(offset + done - begin);
    const size_t wanted = std::min(bounce_bytes, (skipped + bytes - done + block - 1) / block * block);
    const size_t got = convoy::read_at(file_, path, bounce.get(), wanted, begin);
    if (got <= skipped) break;
    const size_t here = std::min(got - skipped, bytes - done);
    std::memcpy(to + done, bounce.get() + skipped, here);
    done += here;
    if (got < wanted) break;
  }
  return done;
}

}  // namespace convoy
