// A dataset: every .h5 file of a folder, in name order. Small ones (images up to 16 KiB, 256 MiB in all) are held in
// memory; from larger ones each read is a pread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/train/evaluate.hpp"
#include "io/shard.hpp"

namespace convoy {

class Dataset : public SampleReader {
 public:
  /// `folder` may also be one .h5 file. Opens and checks all shards: same image shape, dtype, classes and dataset_id,
  /// none missing of `shards`, labels in range. Throws Error(data) naming the shard and what to do.
  explicit Dataset(const std::string& folder);
  ~Dataset() override;

  const std::string& folder() const { return folder_; }
  int64_t size() const override { return size_; }
  const Shape& image() const { return header().image; }
  DType dtype() const { return header().dtype; }
  int64_t class_count() const { return class_count_; }
  const ShardHeader& header() const { return shards_.front()->header(); }
  const std::vector<std::unique_ptr<ShardReader>>& shards() const { return shards_; }
  size_t image_bytes() const { return static_cast<size_t>(image().count()) * size_of(dtype()); }

  /// Copies one sample, by its number in file order.
  void read_one(int64_t sample, void* image, int32_t* label) const;
  void read(int64_t begin, int64_t count, void* images, int32_t* labels) const override;

 private:
  std::string folder_;
  std::vector<std::unique_ptr<ShardReader>> shards_;
  std::vector<int64_t> starts_;  // first sample of each shard, and the size
  int64_t size_ = 0;
  int64_t class_count_ = 0;
};

}  // namespace convoy
