// Reading past the page cache (O_DIRECT), private to io.
#pragma once

#include <optional>
#include <string>

#include "io/posix_file.hpp"

namespace convoy {

class DirectFile {
 public:
  /// Nothing, and `why_not`, where the file system cannot.
  static std::optional<DirectFile> open(const std::string& path, std::string& why_not);
  /// As convoy::read_at. Where offset, bytes and `data` are multiples of 4096 the disk writes there itself; all else
  /// comes through a buffer of the calling thread's.
  size_t read_at(const std::string& path, void* data, size_t bytes, uint64_t offset) const;

 private:
  explicit DirectFile(FileDescriptor file) : file_(std::move(file)) {}
  FileDescriptor file_;
};

}  // namespace convoy
