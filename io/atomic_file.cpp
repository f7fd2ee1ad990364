// Files that are whole or absent.
#include "io/atomic_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "core/base/error.hpp"
#include "io/posix_file.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

std::string own_suffix() {
  return ".tmp-" + std::to_string(getpid());
}

/// The folder that holds `path`; "." for a bare name.
std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

/// Makes a rename in `folder` last through a power failure.
void sync_folder(const std::string& folder) {
  FileDescriptor file(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0) fail_storage(folder, "be synced", errno);
  // EINVAL: some network file systems cannot sync a folder; then they need not.
  if (fsync(file.get()) != 0 && errno != EINVAL) fail_storage(folder, "be synced", errno);
}

/// Removes a file unless it was renamed away.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  ~TemporaryFile() {
    if (!path_.empty()) unlink(path_.c_str());
  }
  void keep() { path_.clear(); }

 private:
  std::string path_;
};

}  // namespace

std::string temporary_beside(const std::string& path) {
  return folder_of(path) + "/." + fs::path(path).filename().string() + own_suffix();
}

void remove_stale_temporaries(const std::string& folder, std::string_view prefix) {
  const std::string begin = "." + std::string(prefix);
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const size_t suffix = name.rfind(".tmp-");
    const bool temporary = name.starts_with(begin) && suffix != std::string::npos && suffix + 5 < name.size() &&
                           name.find_first_not_of("0123456789", suffix + 5) == std::string::npos;
    if (temporary && !name.ends_with(own_suffix())) unlink(entry.path().c_str());
  }
}

void commit_file(const std::string& temporary, const std::string& path) {
  TemporaryFile removed_on_failure(temporary);
  {
    FileDescriptor file(open(temporary.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0 || fsync(file.get()) != 0) fail_storage(path, "be synced", errno);
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) fail_storage(path, "be given its name", errno);
  removed_on_failure.keep();
  sync_folder(folder_of(path));
}

void write_file(const std::string& path, std::string_view content) {
  const std::string temporary = temporary_beside(path);
  TemporaryFile removed_on_failure(temporary);
  {
    const FileDescriptor file = open_to_write(temporary, O_CREAT | O_TRUNC | O_WRONLY, path);
    reserve_space(file, path, content.size());
    write_at(file, path, content.data(), content.size(), 0);
  }
  commit_file(temporary, path);
  removed_on_failure.keep();
}

void make_writable_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && !fs::is_directory(folder, error) && !error) error = std::make_error_code(std::errc::not_a_directory);
  if (error) fail_storage(folder, "be made", error.value());

  // One block, so that a full disk is noticed as well.
  const std::string content(4096, '\n');
  check_size_limit(folder, content.size());
  const std::string probe = folder + "/.writable" + own_suffix();
  TemporaryFile removed(probe);
  const FileDescriptor file = open_to_write(probe, O_CREAT | O_TRUNC | O_WRONLY, folder);
  write_at(file, folder, content.data(), content.size(), 0);
}

}  // namespace convoy
