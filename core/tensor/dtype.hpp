// Element types.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convoy {

/// tf32 is fp32 in memory, of which a GPU multiplies the first 10 bits behind the point.
enum class DType : uint8_t { f32, bf16, f16, u8, i32, tf32 };

constexpr size_t size_of(DType type) {
  switch (type) {
    case DType::f32:
    case DType::tf32:
    case DType::i32: return 4;
    case DType::bf16:
    case DType::f16: return 2;
    case DType::u8: return 1;
  }
  return 0;
}

constexpr const char* name_of(DType type) {
  switch (type) {
    case DType::f32: return "fp32";
    case DType::bf16: return "bf16";
    case DType::f16: return "fp16";
    case DType::u8: return "uint8";
    case DType::i32: return "int32";
    case DType::tf32: return "tf32";
  }
  return "?";
}

}  // namespace convoy
