// The folder that an import writes to: locked, so that two do not write into one, and cleaned of what died.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "io/importers/source.hpp"
#include "io/posix_file.hpp"

namespace convoy {

class ImportFolder {
 public:
  /// Makes it where it is missing. Throws Error(storage) where it cannot be written to, holds .h5 files that no import
  /// made, or another import is writing there.
  explicit ImportFolder(const std::string& path);
  /// A folder made for nothing goes again.
  ~ImportFolder();
  ImportFolder(const ImportFolder&) = delete;
  ImportFolder& operator=(const ImportFolder&) = delete;

 private:
  void lock();

  std::string path_, lock_path_;
  bool was_there_;
  FileDescriptor lock_;
};

/// Gzipped archives, unpacked under hidden names; removed again at the end of its life.
class UnpackedFiles {
 public:
  UnpackedFiles() = default;
  ~UnpackedFiles();
  UnpackedFiles(const UnpackedFiles&) = delete;
  UnpackedFiles& operator=(const UnpackedFiles&) = delete;

  /// Unpacks into `folder` what is gzipped among source.files, and lets the paths there point to it. `progress` counts
  /// the bytes written; `stop` ends it by Error(preempted).
  void unpack(SourceOptions& source, const std::string& folder, std::atomic<uint64_t>& progress,
              const std::atomic<bool>& stop);

 private:
  std::vector<std::string> paths_;
};

/// "shard-00003-of-00010.h5".
std::string shard_file_name(int shard, int shards);
bool is_shard_file_name(const std::string& name);

}  // namespace convoy
