// A dataset: every .h5 file of a folder, in name order. Small ones (256 MiB in all; images up to 16 KiB, or those that
// only HDF5 can read) are held in
// memory; from larger ones each read is a pread. Encoded images are read one by one and decoded by the caller's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/train/evaluate.hpp"
#include "io/shard/shard.hpp"

namespace convoy {

/// Reused from call to call, one a thread.
struct SampleBuffer {
  std::vector<std::byte> encoded;
  Image image;
};

class Dataset : public SampleReader {
 public:
  /// `folder` may also be one .h5 file. Opens and checks all shards: same image shape (of encoded images: same
  /// channels), dtype, classes and dataset_id, none missing of `shards`, labels in range, at least one image. Throws
  /// Error(data) naming the shard and what to do.
  explicit Dataset(const std::string& folder, const ReadOptions& options = {});
  ~Dataset() override;

  const std::string& folder() const { return folder_; }
  int64_t size() const override { return size_; }
  /// (H,W,C); of encoded images of several sizes H = W = 0.
  const Shape& image() const { return header_.image; }
  DType dtype() const { return header_.dtype; }
  Encoding encoding() const { return header_.encoding; }
  int64_t class_count() const { return header_.class_count; }
  /// What holds for the whole dataset: all images counted, mean and deviation over all shards.
  const ShardHeader& header() const { return header_; }
  const std::vector<std::unique_ptr<ShardReader>>& shards() const { return shards_; }
  size_t image_bytes() const { return static_cast<size_t>(image().count()) * size_of(dtype()); }
  /// (H,W,C) in pixel units, over all shards; empty where a shard does not hold its own. Reads the files.
  std::vector<float> mean_image() const;

  /// One line, "SHARD: ..." for what is unusual about shards and costs time or is a guess; "" where nothing is.
  std::string notice() const;

  /// Copies one sample of a raw dataset, by its number in file order.
  void read_one(int64_t sample, void* image, int32_t* label) const;
  void read(int64_t begin, int64_t count, void* images, int32_t* labels) const override;

  /// Any sample as pixels, decoded where it is encoded; returns its label. With `least_side` JPEGs may be decoded at a
  /// fraction of their size, as long as their shorter side stays so long. Throws Error(data) naming shard, row and
  /// byte.
  int32_t read_sample(int64_t sample, SampleBuffer& buffer, int64_t least_side = 0) const;

  /// "SHARD: image ROW at byte OFFSET", for messages.
  std::string place_of(int64_t sample) const;
  /// The stored bytes of a sample of an encoded dataset, checked; returns its label.
  int32_t read_encoded(int64_t sample, std::vector<std::byte>& encoded) const;

  /// Tells the kernel that neighbouring samples are wanted soon; returns at once.
  void will_need(int64_t begin, int64_t count) const;

 private:
  struct Place {
    const ShardReader& shard;
    int64_t row;
  };
  Place place(int64_t sample) const;

  std::string folder_;
  std::vector<std::unique_ptr<ShardReader>> shards_;
  std::vector<int64_t> starts_;  // first sample of each shard, and the size
  int64_t size_ = 0;
  ShardHeader header_;
};

}  // namespace convoy
