// POSIX files: system calls restarted after signals and continued after short transfers.
#include "io/posix_file.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {
namespace {

const char* writing_remedy(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT: return "free some space there, or choose another folder";
    case EROFS: return "choose a folder on a file system that can be written to";
    case EACCES:
    case EPERM: return "ask for permission to write there, or choose another folder";
    case ENOTDIR: return "a part of this path is a file, not a folder; choose another folder";
    case EISDIR: return "a folder stands in its place; remove it, or choose another folder";
    case ENOENT: return "its folder is not there (any more); make it, or choose another one";
    case EFBIG: return "raise the limit on file sizes (ulimit -f)";
    case EMFILE: return "raise the limit on open files (ulimit -n)";
    case ENAMETOOLONG: return "choose a shorter path";
    case EIO: return "the disk reports an error; check it, or choose another folder";
    default: return "choose another folder";
  }
}

const char* reading_remedy(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR: return "check the path";
    case EACCES:
    case EPERM: return "ask for permission to read it";
    case EMFILE: return "raise the limit on open files (ulimit -n)";
    default: return "check the disk or the network file system";
  }
}

}  // namespace

void fail_storage(const std::string& path, std::string_view action, int error) {
  fail(ExitCode::storage, path, ": cannot ", action, ": ", std::strerror(error), "; ", writing_remedy(error));
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

FileDescriptor open_to_read(const std::string& path) {
  // O_NONBLOCK: a named pipe must not hang the program before it is refused below.
  FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    const int error = errno;
    fail(ExitCode::data, path, ": cannot be opened: ", std::strerror(error), "; ", reading_remedy(error));
  }
  struct stat status = {};
  if (fstat(file.get(), &status) == 0 && !S_ISREG(status.st_mode)) {
    fail(ExitCode::data, path, ": is ", S_ISDIR(status.st_mode) ? "a folder" : "not a regular file",
         ", where a file was expected; check the path");
  }
  return file;
}

FileDescriptor open_to_write(const std::string& path, int flags, const std::string& shown) {
  FileDescriptor file(open(path.c_str(), flags | O_CLOEXEC, 0666));
  if (file.get() < 0) fail_storage(shown, "be written", errno);
  return file;
}

uint64_t size_of_file(const FileDescriptor& file, const std::string& path) {
  struct stat status = {};
  if (fstat(file.get(), &status) != 0) {
    fail(ExitCode::data, path, ": its size cannot be read: ", std::strerror(errno), "; ", reading_remedy(errno));
  }
  return static_cast<uint64_t>(status.st_size);
}

size_t read_at(const FileDescriptor& file, const std::string& path, void* data, size_t bytes, uint64_t offset) {
  auto* to = static_cast<char*>(data);
  size_t done = 0;
  while (done < bytes) {
    const ssize_t got = pread(file.get(), to + done, bytes - done, static_cast<off_t>(offset + done));
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int error = errno;
      fail(ExitCode::data, path, ": cannot be read at byte ", offset + done, ": ", std::strerror(error), "; ",
           reading_remedy(error));
    }
    done += static_cast<size_t>(got);
  }
  return done;
}

void write_at(const FileDescriptor& file, const std::string& path, const void* data, size_t bytes, uint64_t offset) {
  const auto* from = static_cast<const char*>(data);
  size_t done = 0;
  while (done < bytes) {
    const ssize_t put = pwrite(file.get(), from + done, bytes - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_storage(path, "be written", errno);
    done += static_cast<size_t>(put);
  }
}

void check_size_limit(const std::string& path, uint64_t bytes) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || bytes <= limit.rlim_cur) return;
  fail_storage(path, concat("be written: ", human_bytes(bytes), " exceed the limit of ", human_bytes(limit.rlim_cur)),
               EFBIG);
}

void reserve_space(const FileDescriptor& file, const std::string& path, uint64_t bytes) {
  check_size_limit(path, bytes);
  if (bytes == 0) return;
  int result;
  do {
    result = fallocate(file.get(), 0, 0, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  // Some file systems cannot reserve; they report a full disk when it is written.
  if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
    fail_storage(path, concat("be written (", human_bytes(bytes), ")"), errno);
  }
}

}  // namespace convoy
