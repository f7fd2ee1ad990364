// Fuzz target: an IDX file of whatever bytes, plain or gzipped, is read as its dimensions say, or refused with one
// line.
#include "io/importers/idx.hpp"
#include "tests/fuzz/targets.hpp"

namespace convoy::fuzz {

void idx(std::string_view bytes) {
  const InputFile file(bytes);
  read_or_refuse(ExitCode::data, file.path() + ": ", [&] {
    const IdxArray array = read_idx(file.path());
    uint64_t count = 1;  // which may pass through anything where a dimension is 0
    for (const int64_t dimension : array.dimensions) count *= static_cast<uint64_t>(dimension);
    require(array.data.size() == count, "data of another size than its dimensions", "");
  });
}

}  // namespace convoy::fuzz

CONVOY_FUZZ_ENTRY(idx)
