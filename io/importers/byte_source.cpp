// Reading files, plain or gzipped.
#include "io/importers/byte_source.hpp"

#include <algorithm>
#include <array>

#include "core/base/error.hpp"

namespace convoy {
namespace {

constexpr const char* fetch_again = "fetch it again";

}  // namespace
ByteSource::ByteSource(const std::string& path, const char* wanted)
    : path_(path), file_(open_to_read(path)), size_(size_of_file(file_, path)) {
  if (size_ == 0) fail(ExitCode::data, path, ": is empty; ", fetch_again);
  std::array<uint8_t, 2> magic{};
  read_at(file_, path_, magic.data(), magic.size(), 0);
  gzipped_ = magic[0] == 0x1F && magic[1] == 0x8B;
  if (!gzipped_ && path.ends_with(".gz")) {
    fail(ExitCode::data, path, ": is named .gz but is not gzipped; rename it if it is plain ", wanted, ", else ",
         fetch_again);
  }
  if (!gzipped_) return;
  packed_.resize(256 << 10);
  constexpr int gzip_only = 16 + MAX_WBITS;
  if (inflateInit2(&stream_, gzip_only) != Z_OK) fail(ExitCode::internal, path, ": zlib cannot start");
}

size_t ByteSource::read_plain(uint8_t* to, size_t bytes) {
  const size_t got = read_at(file_, path_, to, bytes, offset_);
  offset_ += got;
  return got;
}

void ByteSource::refill() {
  if (stream_.avail_in > 0) return;
  const size_t got = read_at(file_, path_, packed_.data(), packed_.size(), offset_);
  offset_ += got;
  stream_.next_in = packed_.data();
  stream_.avail_in = static_cast<uInt>(got);
}

/// After one gzip member: the end of the file, another member (files may be chained), or what does not belong there.
void ByteSource::end_member() {
  refill();
  if (stream_.avail_in == 0) {
    ended_ = true;
  } else if (stream_.next_in[0] == 0x1F) {
    inflateReset(&stream_);
  } else {
    fail(ExitCode::data, path_, ": has bytes after the end of its gzip data, from byte ", offset_ - stream_.avail_in,
         "; ", fetch_again);
  }
}

size_t ByteSource::read_gzip(uint8_t* to, size_t bytes) {
  size_t done = 0;
  while (done < bytes && !ended_) {
    refill();
    if (stream_.avail_in == 0) {
      fail(ExitCode::data, path_, ": its gzip data are cut short after ", size_, " bytes; ", fetch_again);
    }
    const auto room = static_cast<uInt>(std::min<size_t>(bytes - done, 1 << 30));
    stream_.next_out = to + done;
    stream_.avail_out = room;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    done += room - stream_.avail_out;
    if (result == Z_STREAM_END) {
      end_member();
    } else if (result != Z_OK) {
      fail(ExitCode::data, path_, ": its gzip data are damaged (", stream_.msg ? stream_.msg : "no reason given", "); ",
           fetch_again);
    }
  }
  return done;
}

}  // namespace convoy
