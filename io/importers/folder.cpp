// The folder of an import: its lock, its names, and archives unpacked in it for as long as they are read.
#include "io/importers/folder.hpp"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "core/base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/importers/byte_source.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

void refuse_foreign_files(const std::string& folder) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".h5") && !name.starts_with(".") && !is_shard_file_name(name)) {
      fail(ExitCode::storage, folder, ": already holds ", name,
           ", which is not overwritten; choose another folder, or remove the old dataset first");
    }
  }
}

bool is_gzipped(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return false;
  std::array<uint8_t, 2> magic{};
  read_at(open_to_read(path), path, magic.data(), magic.size(), 0);
  return magic[0] == 0x1F && magic[1] == 0x8B;
}

}  // namespace

std::string shard_file_name(int shard, int shards) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "shard-%05d-of-%05d.h5", shard, shards);
  return text.data();
}

bool is_shard_file_name(const std::string& name) {
  int shard = 0, shards = 0;
  return std::sscanf(name.c_str(), "shard-%5d-of-%5d.h5", &shard, &shards) == 2 &&
         name == shard_file_name(shard, shards);
}

ImportFolder::ImportFolder(const std::string& path) : path_(path), lock_path_(path + "/.import.lock") {
  std::error_code ignored;
  was_there_ = fs::exists(path, ignored);
  refuse_foreign_files(path);
  make_writable_folder(path);
  lock();
  for (const char* prefix : {"shard-", "unpacked-", ".skipped-", "skipped.txt"}) remove_stale_temporaries(path, prefix);
}

void ImportFolder::lock() {
  for (;;) {
    lock_ = open_to_write(lock_path_, O_CREAT | O_RDWR, lock_path_);
    if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        fail(ExitCode::storage, path_, ": another import is writing there; wait for its end, or choose another folder");
      }
      // A file system that knows no locks: nothing is lost but the protection.
      if (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS) return;
      fail_storage(lock_path_, "be locked", errno);
    }
    // The one who held it may have removed the file meanwhile.
    struct stat mine = {}, there = {};
    if (fstat(lock_.get(), &mine) == 0 && stat(lock_path_.c_str(), &there) == 0 && mine.st_ino == there.st_ino) return;
  }
}

ImportFolder::~ImportFolder() {
  unlink(lock_path_.c_str());
  if (!was_there_) rmdir(path_.c_str());
}

UnpackedFiles::~UnpackedFiles() {
  for (const std::string& path : paths_) unlink(path.c_str());
}

void UnpackedFiles::unpack(SourceOptions& source, const std::string& folder, std::atomic<uint64_t>& progress,
                           const std::atomic<bool>& stop) {
  const bool archives = source.kind == "tar" || source.kind == "cifar" || source.kind == "imagenet";
  if (!archives) return;
  for (size_t i = 0; i < source.files.size(); ++i) {
    SourceFile& file = source.files[i];
    if (!is_gzipped(file.path)) continue;
    const std::string path = temporary_beside(concat(folder, "/unpacked-", i));
    const std::string shown = concat(folder, " (unpacking ", file.shown, ")");
    ByteSource packed(file.path, "tar");
    const FileDescriptor out = open_to_write(path, O_CREAT | O_TRUNC | O_WRONLY, shown);
    paths_.push_back(path);
    std::vector<uint8_t> buffer(1 << 20);
    uint64_t written = 0;
    while (const size_t got = packed.read(buffer.data(), buffer.size())) {
      if (stop) fail(ExitCode::preempted, "stopped while unpacking ", file.shown, "; the same command starts it again");
      check_size_limit(shown, written + got);
      write_at(out, shown, buffer.data(), got, written);
      written += got;
      progress += got;
    }
    file.path = path;
  }
}

}  // namespace convoy
