// What a shard's file says of itself, private to io: everything but the images.
#pragma once

#include "io/hdf5/rows.hpp"
#include "io/shard/shard.hpp"

namespace convoy {

struct ShardContents {
  ShardHeader header;
  hdf5::Region data;    // where the images (or their encoded bytes) lie one after another
  std::string through;  // why they are not read there but by HDF5, as `rows` says; "" where they are
  hdf5::RowsSpec rows;
  std::vector<std::string> remarks;  // what was taken for what, in files that others made
  std::vector<int32_t> labels;
  std::vector<uint32_t> checksums;  // of the stored bytes of each image; empty: none
  std::vector<uint64_t> offsets;    // of encoded images in `data`, and the end
};

/// Inside a Session. Checks all of it; throws Error(data) with the remedy.
ShardContents read_shard_contents(const hdf5::File& file);

/// Inside a Session. (H,W,C), or empty where there is none.
std::vector<float> read_mean_image(const hdf5::File& file, const Shape& image);

}  // namespace convoy
