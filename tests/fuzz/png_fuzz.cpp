// Fuzz target: a PNG file of whatever bytes decodes, or is refused with one line. Mutations keep the checksums right.
#include "tests/fuzz/picture_fuzz.hpp"
#include "tests/io/image/image_testing.hpp"

namespace convoy::fuzz {

void png(std::string_view bytes) {
  decode_all_ways(bytes);
}

}  // namespace convoy::fuzz

CONVOY_FUZZ_ENTRY(png)

#ifdef CONVOY_LIBFUZZER
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  const size_t changed = LLVMFuzzerMutate(data, size, most);
  if (seed % 16 != 0) convoy::repair_png(data, changed);
  return changed;
}
#endif
