// Buffers of more than 2^31 bytes: that no count and no offset is an int. A few elements are set, and looked for.
// Everything written takes seconds and 10 GB, so that is done only if $CONVOY_TEST_LARGE is 1; else slices are small,
// and lie on both sides of byte 2^31.
#pragma once

#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>

#include "distributed/communicator.hpp"

namespace convoy {

/// A little over 2^31 bytes, and not a multiple of anything.
inline constexpr size_t large_count = (size_t{1} << 29) + 3 * 65536 + 7;
inline constexpr size_t large_bytes = large_count * sizeof(float);

/// Every operation, on two ranks, with `data` of large_count zeros; throws what is wrong. Leaves them as they were.
void check_large_buffers(Communicator& communicator, std::span<float> data, bool large_slices);

/// Zeros that take no memory until they are written to.
class SparseFloats {
 public:
  explicit SparseFloats(size_t count);
  ~SparseFloats();
  SparseFloats(const SparseFloats&) = delete;
  SparseFloats& operator=(const SparseFloats&) = delete;
  std::span<float> span() const { return data_; }

 private:
  std::span<float> data_;
};

/// Of $CONVOY_TEST_LARGE.
inline bool large_slices_too() {
  const char* value = std::getenv("CONVOY_TEST_LARGE");
  return value != nullptr && std::string(value) == "1";
}

/// Why the check should be left out here, if it should: it may write to four such buffers at a time.
inline std::optional<std::string> no_room_for_large_buffers() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return "buffers of 2 GiB are too slow under a sanitizer";
#else
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word && word != "MemAvailable:") continue;
  uint64_t kib = 0;
  if (file >> kib && kib > 5 * large_bytes / 1024) return std::nullopt;
  return "less than 10 GiB of memory are free";
#endif
}

}  // namespace convoy
