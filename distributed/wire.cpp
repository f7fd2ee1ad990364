#include "distributed/wire.hpp"

#include <bit>

#include "core/base/isa.hpp"

namespace convoy {

CONVOY_ISA_CLONES static void round_all(const float* values, uint16_t* out, size_t count) {
#pragma GCC ivdep
  for (size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<uint32_t>(values[i]);
    const uint32_t up = bits + 0x7fffu + ((bits >> 16) & 1u);
    // Rounding could carry a NaN's mantissa away; a quiet NaN keeps its upper half.
    const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    out[i] = static_cast<uint16_t>((is_nan ? bits | 0x00400000u : up) >> 16);
  }
}

CONVOY_ISA_CLONES static void expand_all(const uint16_t* values, float* out, size_t count) {
#pragma GCC ivdep
  for (size_t i = 0; i < count; ++i) out[i] = std::bit_cast<float>(uint32_t{values[i]} << 16);
}

void to_bf16(std::span<const float> values, std::span<uint16_t> out) {
  round_all(values.data(), out.data(), values.size());
}

void from_bf16(std::span<const uint16_t> values, std::span<float> out) {
  expand_all(values.data(), out.data(), values.size());
}

}  // namespace convoy
