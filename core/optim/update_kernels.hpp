// The inner loops of the optimizers on the CPU: one pass over a part of a segment each, private to core/optim.
#pragma once

#include <array>
#include <cstddef>

#include "core/optim/update_elements.hpp"

namespace convoy {

/// Elements of one segment, all buffers from the same one on.
struct UpdateSpan {
  size_t count = 0;
  float* weights = nullptr;
  const float* gradients = nullptr;
  std::array<float*, 2> slots{};  // as many as the rule has
  SegmentFactors factors;
};

/// Of a parameter.
void update_kernel(Rule rule, const RuleFactors& factors, const UpdateSpan& span);

/// Of a running average.
void average_kernel(const UpdateSpan& span);

}  // namespace convoy
