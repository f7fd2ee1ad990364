// Reading IDX files, plain or gzipped, and telling apart all the ways in which they are wrong.
#include "io/importers/idx.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/base/error.hpp"
#include "io/importers/byte_source.hpp"

namespace convoy {
namespace {

constexpr uint64_t largest = uint64_t{16} << 30;
constexpr const char* fetch_again = "fetch it again";

std::string hex(const uint8_t* bytes, size_t count) {
  std::string text = "0x";
  for (size_t i = 0; i < count; ++i) {
    std::array<char, 3> digits;
    std::snprintf(digits.data(), digits.size(), "%02x", bytes[i]);
    text += digits.data();
  }
  return text;
}

std::string type_name(uint8_t type) {
  switch (type) {
    case 0x09: return "signed byte";
    case 0x0B: return "short";
    case 0x0C: return "int";
    case 0x0D: return "float";
    case 0x0E: return "double";
    default: return "unknown";
  }
}

std::vector<int64_t> read_dimensions(ByteSource& source, const std::string& path) {
  std::array<uint8_t, 4> magic{};
  const size_t got = source.read(magic.data(), magic.size());
  if (got < magic.size() || magic[0] != 0 || magic[1] != 0) {
    fail(ExitCode::data, path, ": is not an IDX file: its magic number is ", hex(magic.data(), got),
         ", where 0x000008 and the number of dimensions were expected; check the path, or ", fetch_again);
  }
  if (magic[2] != 0x08) {
    fail(ExitCode::data, path, ": its IDX magic number ", hex(magic.data(), 4), " says elements of type ",
         type_name(magic[2]), "; only unsigned bytes (0x000008) are read, convert it to these");
  }
  if (magic[3] < 1 || magic[3] > 4) {
    fail(ExitCode::data, path, ": its IDX magic number ", hex(magic.data(), 4), " says ", int{magic[3]},
         " dimensions; 1 to 4 are read; check the path, or ", fetch_again);
  }
  std::vector<int64_t> dimensions;
  for (int i = 0; i < magic[3]; ++i) {
    std::array<uint8_t, 4> bytes{};
    if (source.read(bytes.data(), bytes.size()) < bytes.size()) {
      fail(ExitCode::data, path, ": ends within its ", int{magic[3]}, " dimensions; ", fetch_again);
    }
    dimensions.push_back(int64_t{bytes[0]} << 24 | int64_t{bytes[1]} << 16 | int64_t{bytes[2]} << 8 | bytes[3]);
  }
  return dimensions;
}

std::string text_of(const std::vector<int64_t>& dimensions) {
  std::string text;
  for (int64_t d : dimensions) text += (text.empty() ? "" : "x") + std::to_string(d);
  return text;
}

/// The product of the dimensions, at most `largest`.
uint64_t bytes_of(const std::vector<int64_t>& dimensions, const std::string& path) {
  uint64_t bytes = 1;
  bool empty = false;
  for (int64_t d : dimensions) empty = empty || d == 0;
  if (empty) return 0;
  for (int64_t d : dimensions) {
    if (static_cast<uint64_t>(d) > largest / bytes) {
      fail(ExitCode::data, path, ": its dimensions ", text_of(dimensions),
           " come to more than 16 GiB, the most that is read; split it, or ", fetch_again);
    }
    bytes *= static_cast<uint64_t>(d);
  }
  return bytes;
}

}  // namespace

IdxArray read_idx(const std::string& path) {
  ByteSource source(path, "IDX");
  IdxArray array{.dimensions = read_dimensions(source, path), .data = {}};
  const uint64_t expected = bytes_of(array.dimensions, path);
  const uint64_t header = 4 + 4 * array.dimensions.size();

  const auto fail_length = [&](uint64_t found, const char* more_or_fewer) {
    fail(ExitCode::data, path, ": has ", more_or_fewer, " bytes of data than its dimensions ",
         text_of(array.dimensions), " say: ", found, " where ", expected, " were expected; ", fetch_again);
  };
  // The length of a plain file is known, so that wrong dimensions do not cost memory.
  if (!source.gzipped() && source.file_size() != header + expected) {
    const uint64_t found = source.file_size() - header;
    fail_length(found, found < expected ? "fewer" : "more");
  }

  constexpr uint64_t at_once = 64 << 20;
  while (array.data.size() < expected) {
    const size_t have = array.data.size();
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(at_once, expected - have));
    array.data.resize(have + wanted);
    const size_t got = source.read(array.data.data() + have, wanted);
    if (got < wanted) fail_length(have + got, "fewer");
  }
  // Reading past the end also checks the gzip checksum, which follows the data.
  std::array<uint8_t, 4096> rest;
  uint64_t extra = 0;
  while (const size_t got = source.read(rest.data(), rest.size())) extra += got;
  if (extra > 0) fail_length(expected + extra, "more");
  return array;
}

}  // namespace convoy
