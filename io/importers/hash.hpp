// A hash of 64 bits that names a dataset: FNV-1a over bytes, mixed once more at the end.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "io/posix_file.hpp"

namespace convoy {

class Hash {
 public:
  /// A text and where it ends, so that "a","bc" is not "ab","c".
  void add(std::string_view text) {
    for (const char c : text) byte(static_cast<uint8_t>(c));
    add(static_cast<int64_t>(text.size()));
  }
  void add(int64_t value) {
    for (int shift = 0; shift < 64; shift += 8) byte(static_cast<uint8_t>(static_cast<uint64_t>(value) >> shift));
  }
  /// 16 hexadecimal digits.
  std::string text() const {
    uint64_t mixed = state_ ^ state_ >> 33;  // the finalizer of MurmurHash3: the last bytes reach every bit, too
    mixed = (mixed * 0xff51afd7ed558ccdu) ^ (mixed * 0xff51afd7ed558ccdu) >> 33;
    std::array<char, 17> digits;
    std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(mixed));
    return digits.data();
  }

 private:
  void byte(uint8_t value) { state_ = (state_ ^ value) * 0x100000001b3u; }

  uint64_t state_ = 0xcbf29ce484222325u;
};

/// Adds checksums of the `bytes` bytes from `begin`: of all of them up to 256 MiB; of more, of 256 pieces of 1 MiB at
/// equal distances, the first and the last among them. Throws Error(data).
void add_contents(Hash& hash, const FileDescriptor& file, const std::string& shown, uint64_t begin, uint64_t bytes);

}  // namespace convoy
