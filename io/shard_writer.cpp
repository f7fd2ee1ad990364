// Writing shards: HDF5 lays the file out in memory, images go straight to their place on disk.
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "core/base/crc32c.hpp"
#include "core/base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/hdf5_draft.hpp"
#include "io/shard.hpp"

namespace convoy {

struct ShardWriter::Impl {
  Impl(const std::string& final_path, const ShardHeader& shard_header);
  ~Impl() {
    if (!committed) unlink(temporary.c_str());
  }
  void finish();

  std::string path, temporary;
  ShardHeader header;
  size_t image_bytes;
  std::optional<hdf5::Draft> draft;  // and `file`: none once the file is whole
  std::optional<FileDescriptor> file;
  hdf5::Region images;  // where the images lie in the file
  std::vector<int32_t> labels;
  std::vector<uint32_t> checksums;
  bool committed = false;
};

ShardWriter::Impl::Impl(const std::string& final_path, const ShardHeader& shard_header)
    : path(final_path),
      temporary(temporary_beside(final_path)),
      header(shard_header),
      image_bytes(static_cast<size_t>(shard_header.image.count())) {
  if (header.dtype != DType::u8 || header.image.rank() != 3 || header.count < 1) {
    fail(ExitCode::internal, path, ": a shard holds uint8 images (H,W,C), at least one");
  }
  const uint64_t bytes = static_cast<uint64_t>(header.count) * image_bytes;
  draft.emplace(path, bytes + static_cast<uint64_t>(header.count) * 8);
  labels.reserve(static_cast<size_t>(header.count));
  checksums.reserve(static_cast<size_t>(header.count));
  {
    const hdf5::Session session;
    const hdf5::File layout = draft->create({.border = 4096, .border_from = bytes});
    images = hdf5::add_dataset(layout, "images", H5T_STD_U8LE,
                               {header.count, header.image[0], header.image[1], header.image[2]});
  }
  file = open_to_write(temporary, O_CREAT | O_TRUNC | O_WRONLY, path);
  try {
    reserve_space(*file, path, images.offset + images.bytes);
  } catch (const Error&) {
    unlink(temporary.c_str());
    throw;
  }
}

/// Adds all that follows from the images and labels seen, and writes the structure around the images.
void ShardWriter::Impl::finish() {
  {
    const hdf5::Session session;
    const hdf5::File layout = draft->reopen();
    hdf5::write(layout, "labels", H5T_STD_I32LE, {header.count}, H5T_NATIVE_INT32, labels.data());
    hdf5::write(layout, "crc32c", H5T_STD_U32LE, {header.count}, H5T_NATIVE_UINT32, checksums.data());
    hdf5::write_attribute(layout, "/", "format", std::string("convoy-shard"));
    hdf5::write_attribute(layout, "/", "version", int64_t{1});
    hdf5::write_attribute(layout, "/", "classes", header.classes);
    hdf5::write_attribute(layout, "/", "class_count", header.class_count);
    hdf5::write_attribute(layout, "/", "mean", header.mean);
    hdf5::write_attribute(layout, "/", "deviation", header.deviation);
    hdf5::write_attribute(layout, "/", "labels_crc32c", crc32c(labels.data(), labels.size() * sizeof(int32_t)));
    hdf5::write_attribute(layout, "/", "shard", int64_t{header.shard});
    hdf5::write_attribute(layout, "/", "shards", int64_t{header.shards});
    hdf5::write_attribute(layout, "/", "dataset_id", header.dataset_id);
  }
  reserve_space(*file, path, draft->size());
  draft->write_around({images}, *file);
  if (fsync(file->get()) != 0) fail_storage(path, "be synced", errno);
  file.reset();
  draft.reset();
}

ShardWriter::ShardWriter(const std::string& path, const ShardHeader& header)
    : impl_(std::make_unique<Impl>(path, header)) {}

ShardWriter::~ShardWriter() = default;

void ShardWriter::append(const uint8_t* images, const int32_t* labels, int64_t count) {
  Impl& shard = *impl_;
  if (!shard.file || count < 0 || std::cmp_greater(shard.labels.size() + count, shard.header.count)) {
    fail(ExitCode::internal, shard.path, ": more images appended than its header says");
  }
  const uint64_t offset = shard.images.offset + shard.labels.size() * shard.image_bytes;
  write_at(*shard.file, shard.path, images, static_cast<size_t>(count) * shard.image_bytes, offset);
  shard.labels.insert(shard.labels.end(), labels, labels + count);
  for (int64_t i = 0; i < count; ++i) {
    shard.checksums.push_back(crc32c(images + static_cast<size_t>(i) * shard.image_bytes, shard.image_bytes));
  }
  if (std::cmp_equal(shard.labels.size(), shard.header.count)) shard.finish();
}

void ShardWriter::commit() {
  if (impl_->file) fail(ExitCode::internal, impl_->path, ": committed before its last image");
  commit_file(impl_->temporary, impl_->path);
  impl_->committed = true;
}

}  // namespace convoy
