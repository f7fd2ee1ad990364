// Fuzz target: a PNG file of whatever bytes decodes, or is refused with one line. Mutations keep the checksums right.
#include <zlib.h>

#include <cstring>

#include "tests/fuzz/picture_fuzz.hpp"

namespace convoy::fuzz {

void png(std::string_view bytes) {
  decode_all_ways(bytes);
}

void repair_png(char* bytes, size_t size) {
  auto* data = reinterpret_cast<uint8_t*>(bytes);
  const auto number = [&](size_t at) {
    return uint32_t{data[at]} << 24 | uint32_t{data[at + 1]} << 16 | uint32_t{data[at + 2]} << 8 |
           uint32_t{data[at + 3]};
  };
  for (size_t at = 8; at + 12 <= size;) {
    const size_t length = number(at);
    if (length > size - at - 12) return;
    const auto sum = static_cast<uint32_t>(crc32(0, data + at + 4, static_cast<uInt>(length + 4)));
    for (size_t i = 0; i < 4; ++i) data[at + 8 + length + i] = static_cast<uint8_t>(sum >> (24 - 8 * i));
    at += length + 12;
  }
}

}  // namespace convoy::fuzz

CONVOY_FUZZ_ENTRY(png)

#ifdef CONVOY_LIBFUZZER
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  const size_t changed = LLVMFuzzerMutate(data, size, most);
  if (seed % 16 != 0) convoy::fuzz::repair_png(reinterpret_cast<char*>(data), changed);
  return changed;
}
#endif
