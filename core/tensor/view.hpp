// Non-owning views of dense tensors, row-major in the order of their shape.
#pragma once

#include <cassert>
#include <span>

#include "core/tensor/dtype.hpp"
#include "core/tensor/shape.hpp"

namespace convoy {

struct ConstView {
  const void* data = nullptr;
  Shape shape;
  DType dtype = DType::f32;

  const float* f32() const {
    assert(dtype == DType::f32);
    return static_cast<const float*>(data);
  }
  const uint8_t* u8() const {
    assert(dtype == DType::u8);
    return static_cast<const uint8_t*>(data);
  }
  size_t bytes() const { return static_cast<size_t>(shape.count()) * size_of(dtype); }
};

struct View {
  void* data = nullptr;
  Shape shape;
  DType dtype = DType::f32;

  float* f32() const {
    assert(dtype == DType::f32);
    return static_cast<float*>(data);
  }
  uint8_t* u8() const {
    assert(dtype == DType::u8);
    return static_cast<uint8_t*>(data);
  }
  size_t bytes() const { return static_cast<size_t>(shape.count()) * size_of(dtype); }
  operator ConstView() const { return {data, shape, dtype}; }
};

/// What an op does with the gradient it hands to its input: the first consumer overwrites, later ones accumulate.
/// Net decides; layers and ops obey.
enum class Write : uint8_t { overwrite, accumulate };

}  // namespace convoy
