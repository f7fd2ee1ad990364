// Floats on their way between processes as bf16: the upper half of their bits, rounded to nearest, ties to even.
#pragma once

#include <cstdint>
#include <span>

namespace convoy {

/// Sizes must be equal. NaN stays NaN.
void to_bf16(std::span<const float> values, std::span<uint16_t> out);
void from_bf16(std::span<const uint16_t> values, std::span<float> out);

}  // namespace convoy
