// The sums of a matrix's columns, as gradients of biases are: in an order that the sizes alone decide.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/device/device.hpp"

namespace convoy::gemm {

class ColumnSums {
 public:
  ColumnSums(const Device& device, int64_t rows, int64_t columns);

  size_t workspace_bytes() const;
  /// Overwrites `sums` (columns) with those of `from` (rows, columns).
  void run(void* workspace, const float* from, float* sums) const;

 private:
  const Device& device_;
  int64_t rows_, columns_, slices_;
};

}  // namespace convoy::gemm
