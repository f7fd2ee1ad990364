// Shards: self-describing HDF5 files of images and labels (design 3).
//
//   /images  uint8 (N,H,W,C), contiguous, allocated early on a 4,096-byte border, so that rows are read by pread
//   /labels  int32 (N)
//   /crc32c  uint32 (N), of each image's bytes
//   root attributes (texts of fixed length): format "convoy-shard", version 1, classes (strings, may be none),
//   class_count, mean and deviation (float64, per channel, over the whole dataset, in pixel units), labels_crc32c
//   (uint32, of the labels as little-endian int32), shard, shards, dataset_id
//
// Files made by others open as they are when `images` is contiguous uint8 and `labels` are integers; attributes and
// checksums they lack are done without.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor/dtype.hpp"
#include "core/tensor/shape.hpp"

namespace convoy {

enum class Encoding { raw, jpeg };

struct ShardHeader {
  Shape image;  // (H, W, C); of encoded images, whose sizes may differ, H = W = 0 where they do
  DType dtype = DType::u8;
  Encoding encoding = Encoding::raw;
  int64_t count = 0;
  std::vector<std::string> classes;  // may be empty: names unknown
  int64_t class_count = 0;           // 1 + largest label of the dataset where names are unknown
  std::vector<double> mean, deviation;
  std::string dataset_id;  // the same in all shards of a dataset
  int shard = 0, shards = 1;
};

/// Writes one shard beside its final name; commit() syncs and renames. Destroyed before commit(), it leaves nothing.
class ShardWriter {
 public:
  ShardWriter(const std::string& path, const ShardHeader& header);
  ~ShardWriter();
  /// Appends `count` images and labels; with the last of header.count images the file is whole and closed. Throws
  /// Error(storage) when the disk is full.
  void append(const uint8_t* images, const int32_t* labels, int64_t count);
  /// Gives the whole file its name.
  void commit();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// An open shard; reads may come from many threads at once and take no lock.
class ShardReader {
 public:
  /// Throws Error(data) for a file that is missing, truncated, not HDF5 or not a dataset, and for a label that is not
  /// one of the classes, with the remedy.
  explicit ShardReader(const std::string& path);
  ~ShardReader();

  const std::string& path() const;
  const ShardHeader& header() const;
  /// Labels are read and checked when the shard is opened.
  const std::vector<int32_t>& labels() const;
  bool has_checksums() const;

  /// Keeps a copy of all images, so that a read is a copy from memory and no system call. Before the first read.
  /// A pread of 784 bytes takes 700 ns and a copy 100; a mapping would be as fast, but a disk error or a file cut off
  /// under it would end the process by SIGBUS, with nothing named.
  void hold_in_memory();

  /// Copies image `row` and checks its CRC32C. Throws Error(data) "SHARD: image ROW at byte OFFSET: ... damaged ...".
  void read(int64_t row, void* image) const;
  /// `count` neighbouring rows by one pread.
  void read(int64_t row, int64_t count, void* images) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy
