// Shapes of up to four dimensions, outermost first; images are (N, H, W, C) or, per sample, (H, W, C).
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace convoy {

class Shape {
 public:
  static constexpr int max_rank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) {
    assert(dims.size() <= max_rank);
    for (int64_t d : dims) dims_[rank_++] = d;
  }

  int rank() const { return rank_; }
  int64_t operator[](int i) const { return dims_[i]; }

  /// The number of elements; 1 for rank 0.
  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= dims_[i];
    return n;
  }

  /// This shape with `n` put in front: (H, W, C) -> (N, H, W, C).
  Shape batched(int64_t n) const {
    assert(rank_ < max_rank);
    Shape out{n};
    for (int i = 0; i < rank_; ++i) out.dims_[out.rank_++] = dims_[i];
    return out;
  }

  bool operator==(const Shape& other) const = default;

  /// "28x28x1".
  std::string text() const {
    std::string out;
    for (int i = 0; i < rank_; ++i) out += (i ? "x" : "") + std::to_string(dims_[i]);
    return rank_ ? out : "scalar";
  }

 private:
  std::array<int64_t, max_rank> dims_{};
  int rank_ = 0;
};

/// An extent in the two spatial directions.
struct Extent2 {
  int64_t h = 1, w = 1;
  bool operator==(const Extent2&) const = default;
};

/// Zero padding on the four sides of an image.
struct Padding {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
  bool operator==(const Padding&) const = default;
};

}  // namespace convoy
