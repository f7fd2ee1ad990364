// Shards: self-describing HDF5 files of images and labels (design 3).
//
//   /images      uint8 (N,H,W,C), contiguous, on a 4,096-byte border, so that rows are read by pread; or, in an encoded
//                shard, JPEG or PNG files one after another:
//   /bytes       uint8 (all of them), on such a border, and
//   /offsets     uint64 (N+1), where each begins in /bytes, the last one where it all ends
//   /labels      int32 (N)
//   /crc32c      uint32 (N), of each image's bytes as stored
//   /mean_image  float32 (H,W,C), of this shard, where all its images have one size; may be absent
//   root attributes (texts of fixed length): format "convoy-shard", version 2, encoding ("jpeg"; absent: raw), classes
//   (strings, may be none), class_count, mean and deviation (float64, per channel, over this shard's images, in pixel
//   units; in version 1 over the whole dataset), pixel_count (uint64, of one channel), pixel_sums and pixel_squares
//   (uint64, per channel, of the pixels and of their squares; like the count they may be absent), image_h, image_w and
//   image_c (int64; of encoded shards; h = w = 0 where sizes differ), labels_crc32c, offsets_crc32c and
//   mean_image_crc32c (uint32, of the little-endian bytes), shard, shards, dataset_id
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/tensor/dtype.hpp"
#include "core/tensor/shape.hpp"
#include "io/image/image.hpp"
#include "io/shard/pixel_sums.hpp"

namespace convoy {

enum class Encoding { raw, jpeg };

struct ShardHeader {
  Shape image;  // (H, W, C); of encoded images, whose sizes may differ, H = W = 0 where they do
  DType dtype = DType::u8;
  Encoding encoding = Encoding::raw;
  int64_t count = 0;
  std::vector<std::string> classes;     // may be empty: names unknown
  int64_t class_count = 0;              // 1 + largest label of the dataset where names are unknown
  PixelTotals pixels;                   // of this shard's images; unknown of files that others made
  std::vector<double> mean, deviation;  // of the same; empty where unknown
  std::string dataset_id;               // the same in all shards of a dataset
  int shard = 0, shards = 1;
};

/// Writes one shard beside its final name; commit() syncs and renames. Destroyed before commit(), it leaves nothing.
class ShardWriter {
 public:
  /// Of `header` the image's shape (of encoded images only C counts), encoding, classes, class_count, dataset_id, shard
  /// and shards are taken. `count` is how many images will be appended at most: room for raw ones is set aside, so that
  /// a full disk shows at once; 0: unknown. All else follows from what is appended.
  ShardWriter(const std::string& path, const ShardHeader& header);
  ~ShardWriter();
  /// Appends `count` raw images and their labels. Throws Error(storage) when the disk is full.
  void append(const uint8_t* images, const int32_t* labels, int64_t count);
  /// Appends one encoded image; `pixels` is what it decodes to, with the header's channels.
  void append_encoded(std::span<const std::byte> encoded, int32_t label, const Image& pixels);
  /// Makes the file whole and closes it, still under its hidden name; the header as written. A shard may be empty.
  const ShardHeader& finish();
  /// Gives the file its name; calls finish() where that was not done.
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct ReadOptions {
  enum class Checks : uint8_t { on, off };
  enum class Access : uint8_t { page_cache, direct };
  Checks checks = Checks::on;                 // of each image's CRC32C
  Access access = Access::page_cache;         // direct: O_DIRECT, for data larger than memory that is read once
  uint64_t held_bytes = uint64_t{256} << 20;  // Dataset: of images held in memory
};

/// An open shard. Files that others made open too: `images` (N,H,W,C) or (N,H,W), or Caffe's `data` (N,C,H,W), of uint8
/// or floats (read as fp32), `bytes` and `offsets`; with `labels` or `label` of integers or whole numbers; checksums
/// and attributes they lack are done without. Reads may come from many threads at once and take no lock, but for files
/// whose images do not lie one after another as they are wanted: HDF5 reads those, one thread at a time (see notice()).
class ShardReader {
 public:
  /// Throws Error(data) for a file that is missing, truncated, not HDF5 or not a dataset, and for a label that is not
  /// one of the classes, with the remedy.
  explicit ShardReader(const std::string& path, const ReadOptions& options = {});
  ~ShardReader();

  const std::string& path() const;
  const ShardHeader& header() const;
  /// Labels are read and checked when the shard is opened.
  const std::vector<int32_t>& labels() const;
  bool has_checksums() const;
  /// Whether images are read through HDF5 and its lock.
  bool through_hdf5() const;
  /// What is unusual about this shard and what it costs, in one line without its name; "" where nothing is.
  std::string notice() const;
  /// Of all images, as stored.
  uint64_t image_bytes() const;
  bool held() const;
  /// (H,W,C) in pixel units; empty where the shard does not hold it. Reads the file.
  std::vector<float> mean_image() const;

  /// Keeps a copy of all raw images, so that a read is a copy from memory and no system call. Before the first read.
  /// A pread of 784 bytes takes 700 ns and a copy 100; a mapping would be as fast, but a disk error or a file cut off
  /// under it would end the process by SIGBUS, with nothing named.
  void hold_in_memory();

  /// Copies raw image `row` and checks its CRC32C. Throws Error(data) "SHARD: image ROW at byte OFFSET: ... damaged
  /// ...".
  void read(int64_t row, void* image) const;
  /// `count` neighbouring rows by one pread.
  void read(int64_t row, int64_t count, void* images) const;
  /// The stored bytes of an encoded image, checked likewise.
  void read_encoded(int64_t row, std::vector<std::byte>& encoded) const;

  /// Bytes of an image as stored.
  size_t bytes_of(int64_t row) const;
  /// "SHARD: image ROW at byte OFFSET", for messages.
  std::string place_of(int64_t row) const;
  /// Tells the kernel that these rows are wanted soon; returns at once.
  void will_need(int64_t row, int64_t count) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy
