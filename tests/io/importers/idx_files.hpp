// Makes IDX files, plain and gzipped, for the tests of reading and importing them.
#pragma once

#include <zlib.h>

#include <string>
#include <vector>

namespace convoy {

/// A header of the given dimensions and whatever data; type 0x08 is unsigned bytes.
inline std::string idx_bytes(const std::vector<uint32_t>& dimensions, const std::string& data, char type = 0x08) {
  std::string bytes = {0, 0, type, static_cast<char>(dimensions.size())};
  for (uint32_t d : dimensions) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(d >> shift);
  }
  return bytes + data;
}

inline std::string gzipped(const std::string& bytes) {
  z_stream stream = {};
  deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

/// Bytes that gzip cannot make much smaller.
inline std::string noise(size_t count) {
  std::string bytes;
  uint64_t state = 88172645463325252u;
  while (bytes.size() < count) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    bytes += static_cast<char>(state);
  }
  return bytes;
}

}  // namespace convoy
