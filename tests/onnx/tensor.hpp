// Tensors as ONNX has them, and the two layouts between which cases and Convoy's ops differ.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace convoy::onnx {

/// What Convoy does not do; the reason is printed beside the case.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using Dims = std::vector<int64_t>;

/// The elements of dims[begin, end).
inline int64_t product(const Dims& dims, size_t begin, size_t end) {
  int64_t n = 1;
  for (size_t i = begin; i < end; ++i) n *= dims[i];
  return n;
}

struct Tensor {
  enum class Type : uint8_t { real, integer, other };
  Type type = Type::real;
  std::string type_name = "float";  // ONNX's, for messages
  Dims dims;                        // outermost first
  std::vector<float> reals;         // of Type::real: fp32; fp64 is rounded
  std::vector<int64_t> integers;    // of Type::integer: int32, int64 and bool

  int64_t count() const { return product(dims, 0, dims.size()); }
  size_t rank() const { return dims.size(); }
};

inline Tensor real_tensor(Dims dims, std::vector<float> values) {
  return {.dims = std::move(dims), .reals = std::move(values)};
}

inline Tensor integer_tensor(Dims dims, std::vector<int64_t> values) {
  return {
      .type = Tensor::Type::integer, .type_name = "integer", .dims = std::move(dims), .integers = std::move(values)};
}

/// A tensor seen as (outer, channels, inner), the way ONNX's operators see it around one axis: N, C and pixels.
struct Axis {
  int64_t outer = 1, channels = 1, inner = 1;
  Axis(const Dims& dims, size_t axis)
      : outer(product(dims, 0, axis)), channels(dims[axis]), inner(product(dims, axis + 1, dims.size())) {}
  int64_t rows() const { return outer * inner; }
};

/// (outer, a, b) to (outer, b, a).
inline std::vector<float> swapped(const std::vector<float>& values, int64_t outer, int64_t a, int64_t b) {
  std::vector<float> out(values.size());
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < a; ++i) {
      for (int64_t j = 0; j < b; ++j) out[(o * b + j) * a + i] = values[(o * a + i) * b + j];
    }
  }
  return out;
}

/// From ONNX's layout to Convoy's, channels last: (N,C,H,W) to (N,H,W,C).
inline std::vector<float> channels_last(const std::vector<float>& values, const Axis& axis) {
  return swapped(values, axis.outer, axis.channels, axis.inner);
}

/// Back again.
inline std::vector<float> channels_first(const std::vector<float>& values, const Axis& axis) {
  return swapped(values, axis.outer, axis.inner, axis.channels);
}

}  // namespace convoy::onnx
