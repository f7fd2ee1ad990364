// The matrix products of a fully connected layer on the calling team's threads: out (I,J) = A (I,P) B (P,J).
//
// Every element is summed in an order that depends on P alone, so the bits do not depend on the number of threads.
#pragma once

#include <cstddef>

#include "core/ops/fc/kernels.hpp"

namespace convoy::fc {

struct Extents {
  int64_t i = 1, j = 1, p = 1;
};

struct Output {
  float* data = nullptr;        // (I,J)
  const float* bias = nullptr;  // (J), added; may be null
  bool add = false;             // to what is there
};

/// For few rows I and a large B, which is read from memory once. Where B's depth is contiguous, as in the forward pass:
size_t by_lines_scratch(const Kernels& kernels, const Extents& extents, int threads);
void multiply_by_lines(const Kernels& kernels, const Extents& extents, const Factor& a, const Factor& b,
                       const Output& out, void* scratch);

/// The same where B's depth goes from row to row, as for the gradient of the input. A's depth must be contiguous, and
/// there is no bias.
size_t by_columns_scratch(const Kernels& kernels, const Extents& extents, int threads);
void multiply_by_columns(const Kernels& kernels, const Extents& extents, const Factor& a, const Factor& b,
                         const Output& out, void* scratch);

/// For little depth P and a large result, which is written once: the gradient of the weights.
size_t large_result_scratch(const Kernels& kernels, const Extents& extents);
void multiply_large_result(const Kernels& kernels, const Extents& extents, const Factor& a, const Factor& b,
                           const Output& out, void* scratch);

}  // namespace convoy::fc
