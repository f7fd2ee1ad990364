// Fuzz target: a JPEG file of whatever bytes decodes, or is refused with one line.
#include "tests/fuzz/picture_fuzz.hpp"

namespace convoy::fuzz {

void jpeg(std::string_view bytes) {
  decode_all_ways(bytes);
}

}  // namespace convoy::fuzz

CONVOY_FUZZ_ENTRY(jpeg)
