// Fuzz target: an HDF5 file of whatever bytes opens as a shard whose rows can be read, or is refused with one line.
#include "io/shard/shard.hpp"
#include "tests/fuzz/targets.hpp"

namespace convoy::fuzz {
namespace {

void read_some(const ShardReader& shard) {
  const ShardHeader& header = shard.header();
  require(header.count >= 0 && shard.labels().size() == static_cast<size_t>(header.count), "as many labels", "");
  require(header.image.rank() == 3 && header.image.count() >= 0, "no shape of an image", "");
  for (const int32_t label : shard.labels())
    require(label >= 0 && label < header.class_count, "a label of no class", "");
  const int64_t bytes = header.image.count() * (header.dtype == DType::u8 ? 1 : 4);
  constexpr int64_t rows = 4;
  std::vector<uint8_t> image;
  std::vector<std::byte> encoded;
  for (int64_t row = 0; row < std::min(header.count, rows); ++row) {
    if (header.encoding == Encoding::jpeg) {
      shard.read_encoded(row, encoded);
    } else if (bytes <= int64_t{1} << 22) {
      image.resize(static_cast<size_t>(bytes));
      shard.read(row, image.data());
    }
  }
}

}  // namespace

void hdf5(std::string_view bytes) {
  const InputFile file(bytes);
  read_or_refuse(ExitCode::data, file.path(), [&] {
    const ShardReader shard(file.path());
    shard.notice();
    read_or_refuse(ExitCode::data, file.path(), [&] { read_some(shard); });
    shard.mean_image();
  });
}

}  // namespace convoy::fuzz

CONVOY_FUZZ_ENTRY(hdf5)

#ifdef CONVOY_LIBFUZZER
/// HDF5 1.10 does not free the parts of a header that it had read before it met damage: some hundred bytes for each
/// damaged file. (A file of suppressions would be read by AddressSanitizer too, which stops at what it does not know.)
extern "C" const char* __lsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier): the sanitizer's name
  return "leak:libhdf5\n";
}

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t most);

/// Changes up to eight bytes in their place, near bytes that are not zero: everything in a file stands at an offset
/// that something else names, and most of a small file is padding. Now and then anything may happen.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  if (size < 64 || seed % 16 == 0) return LLVMFuzzerMutate(data, size, most);
  const auto next = [&] { return seed = seed * 1664525 + 1013904223; };
  for (unsigned changes = next() >> 30; changes < 4; ++changes) {
    size_t at = (next() >> 4) % (size - 8);
    for (size_t left = size; data[at] == 0 && left > 0; --left) at = at + 9 < size ? at + 1 : 0;
    const size_t back = next() >> 29;
    at -= at < back ? 0 : back;
    LLVMFuzzerMutate(data + at, 1 + (next() >> 29), 1 + (seed >> 29));
  }
  return size;
}
#endif
