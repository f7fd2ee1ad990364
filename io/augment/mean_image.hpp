// The mean of the pictures that a network was trained on.
#pragma once

#include <vector>

#include "core/tensor/shape.hpp"

namespace convoy {

/// (H,W,C) of the dataset's own pictures, in pixel units; no pixels where it is not taken off.
struct MeanImage {
  Shape shape;
  std::vector<float> pixels;
  bool empty() const { return pixels.empty(); }
};

}  // namespace convoy
