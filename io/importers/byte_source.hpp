// A file's bytes one after another, unpacked where it is gzipped; every way in which it is damaged is an Error(data).
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

#include "io/posix_file.hpp"

namespace convoy {

/// Throws Error(data) naming the file and the remedy: missing, empty, gzip data damaged, cut short or followed by
/// something else. The checksum of gzip is checked when the end is reached.
class ByteSource {
 public:
  /// `wanted` says what a file named .gz that is not gzipped may be ("IDX").
  ByteSource(const std::string& path, const char* wanted);
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  ~ByteSource() {
    if (gzipped_) inflateEnd(&stream_);
  }

  /// Fewer bytes than asked only at the end.
  size_t read(uint8_t* to, size_t bytes) { return gzipped_ ? read_gzip(to, bytes) : read_plain(to, bytes); }
  bool gzipped() const { return gzipped_; }
  uint64_t file_size() const { return size_; }

 private:
  size_t read_plain(uint8_t* to, size_t bytes);
  size_t read_gzip(uint8_t* to, size_t bytes);
  void refill();
  void end_member();

  std::string path_;
  FileDescriptor file_;
  uint64_t size_ = 0, offset_ = 0;
  bool gzipped_ = false, ended_ = false;
  z_stream stream_ = {};
  std::vector<uint8_t> packed_;
};

}  // namespace convoy
