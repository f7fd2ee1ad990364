// POSIX files by RAII, private to io: every failure is a one-line Error that names the path and the remedy.
#pragma once

#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace convoy {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();

  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

/// Throws Error(storage): "PATH: cannot ACTION: REASON; REMEDY", from an errno.
[[noreturn]] void fail_storage(const std::string& path, std::string_view action, int error);

/// Opens a regular file. Throws Error(data) when it is missing, a folder, or may not be read.
FileDescriptor open_to_read(const std::string& path);

/// Opens with `flags` (O_CREAT | O_TRUNC | O_WRONLY, ...). Throws Error(storage) naming `shown`, the file's final path.
FileDescriptor open_to_write(const std::string& path, int flags, const std::string& shown);

/// Bytes of an open file. `path` here and below is for messages only.
uint64_t size_of_file(const FileDescriptor& file, const std::string& path);

/// Returns the number of bytes read: fewer than asked only at the end of the file. Throws Error(data).
size_t read_at(const FileDescriptor& file, const std::string& path, void* data, size_t bytes, uint64_t offset);

/// Throws Error(storage).
void write_at(const FileDescriptor& file, const std::string& path, const void* data, size_t bytes, uint64_t offset);

/// Throws Error(storage) where a file of so many bytes may not be made (ulimit -f): past that limit the kernel sends
/// SIGXFSZ, which ends the process without a word.
void check_size_limit(const std::string& path, uint64_t bytes);

/// Sets blocks aside, so that a full disk shows before anything is written. Throws Error(storage).
void reserve_space(const FileDescriptor& file, const std::string& path, uint64_t bytes);

}  // namespace convoy
