// CRC32C by the SSE4.2 instruction where the processor has it, three stretches of the data side by side; otherwise by
// tables, eight bytes at a time.
#include "core/base/crc32c.hpp"

#include <array>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace convoy {
namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

/// tables[k][b]: the state after byte b and k zero bytes.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t state = byte;
    for (int bit = 0; bit < 8; ++bit) state = (state >> 1) ^ (state & 1 ? 0x82F63B78u : 0u);
    tables[0][byte] = state;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

constexpr Tables tables = make_tables();

uint64_t load64(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t crc32c_serial(const uint8_t* data, size_t bytes, uint32_t state) {
  uint64_t wide = state;
  for (; bytes >= 8; bytes -= 8, data += 8) wide = _mm_crc32_u64(wide, load64(data));
  state = static_cast<uint32_t>(wide);
  for (; bytes > 0; --bytes, ++data) state = _mm_crc32_u8(state, *data);
  return state;
}

/// What becomes of a state when `length` zero bytes follow: linear in its bits, so one table for each of its bytes.
class Shift {
 public:
  explicit Shift(size_t length) {
    const std::vector<uint8_t> zeros(length);
    for (size_t byte = 0; byte < 4; ++byte) {
      for (uint32_t bit = 0; bit < 8; ++bit) {
        const uint32_t alone = crc32c_serial(zeros.data(), length, 1u << (8 * byte + bit));
        for (uint32_t value = 1u << bit; value < 256; ++value) {
          if (value >> bit & 1) table_[byte][value] ^= alone;
        }
      }
    }
  }
  uint32_t operator()(uint32_t state) const {
    return table_[0][state & 0xFF] ^ table_[1][state >> 8 & 0xFF] ^ table_[2][state >> 16 & 0xFF] ^
           table_[3][state >> 24];
  }

 private:
  std::array<std::array<uint32_t, 256>, 4> table_{};
};

/// The instruction answers after three cycles and starts one each cycle: three stretches side by side keep it busy
/// (V. Gopal et al., "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction", 2011). Takes whole triples of
/// `length` bytes off the front of the data.
template <size_t length>
__attribute__((target("sse4.2"))) uint32_t crc32c_triples(const uint8_t*& data, size_t& bytes, uint32_t state) {
  if (bytes < 3 * length) return state;
  static const Shift shift(length);
  for (; bytes >= 3 * length; bytes -= 3 * length, data += 3 * length) {
    uint64_t first = state, second = 0, third = 0;
    for (size_t i = 0; i < length; i += 8) {
      first = _mm_crc32_u64(first, load64(data + i));
      second = _mm_crc32_u64(second, load64(data + length + i));
      third = _mm_crc32_u64(third, load64(data + 2 * length + i));
    }
    const uint32_t two = shift(static_cast<uint32_t>(first)) ^ static_cast<uint32_t>(second);
    state = shift(two) ^ static_cast<uint32_t>(third);
  }
  return state;
}

uint32_t crc32c_sse42(const uint8_t* data, size_t bytes, uint32_t state) {
  state = crc32c_triples<8192>(data, bytes, state);
  state = crc32c_triples<256>(data, bytes, state);
  return crc32c_serial(data, bytes, state);
}
#endif

}  // namespace

namespace detail {

uint32_t crc32c_by_tables(const void* data, size_t bytes, uint32_t previous) {
  const auto* next = static_cast<const uint8_t*>(data);
  uint32_t state = ~previous;
  for (; bytes >= 8; bytes -= 8, next += 8) {
    uint32_t sum = 0;
    for (size_t k = 0; k < 8; ++k) {
      const uint32_t from_state = k < 4 ? (state >> (8 * k)) & 0xFF : 0;
      sum ^= tables[7 - k][from_state ^ next[k]];
    }
    state = sum;
  }
  for (; bytes > 0; --bytes, ++next) state = (state >> 8) ^ tables[0][(state ^ *next) & 0xFF];
  return ~state;
}

}  // namespace detail

uint32_t crc32c(const void* data, size_t bytes, uint32_t previous) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return ~crc32c_sse42(static_cast<const uint8_t*>(data), bytes, ~previous);
#endif
  return detail::crc32c_by_tables(data, bytes, previous);
}

}  // namespace convoy
