// IDX, the format of MNIST and Fashion-MNIST (http://yann.lecun.com/exdb/mnist/): big-endian magic 0x0000TTDD (type,
// number of dimensions), dimensions as uint32, then the data. Plain or gzipped.
#pragma once

#include <string>
#include <vector>

#include "core/tensor/shape.hpp"

namespace convoy {

struct IdxArray {
  std::vector<int64_t> dimensions;
  std::vector<uint8_t> data;  // type 0x08, unsigned byte, the only one these datasets use
};

/// Reads a whole file. Throws Error(data) naming file and remedy: missing, not IDX (wrong magic, shown), other element
/// type, damaged or truncated gzip, fewer or more bytes than the dimensions say (both counts shown), more than 16 GiB.
IdxArray read_idx(const std::string& path);

}  // namespace convoy
