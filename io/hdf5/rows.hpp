// Rows of a dataset that cannot be read by offset, through the HDF5 library and its lock, private to io.
#pragma once

#include <memory>

#include "core/tensor/dtype.hpp"
#include "io/hdf5/hdf5.hpp"

namespace convoy::hdf5 {

enum class RowOrder { as_stored, channels_first };  // the latter: (N,C,H,W) is turned into (N,H,W,C)

struct RowsSpec {
  std::string dataset;
  DType element = DType::u8;  // what rows are converted to: u8 or f32
  RowOrder order = RowOrder::as_stored;
};

class Rows {
 public:
  /// Opens the file again and keeps it open, with a cache that holds the chunks of two neighbouring rows, so that
  /// reading in order unpacks each chunk once. Outside a Session, like all of this class. Throws Error(data).
  Rows(const std::string& path, RowsSpec spec);
  ~Rows();
  /// Rows [begin, begin + count), converted, one after another. From any thread; they wait for each other.
  void read(int64_t begin, int64_t count, void* out) const;
  /// Rows that one chunk holds; 1 where the dataset is not chunked.
  int64_t rows_in_chunk() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::hdf5
