// Writing shards: images go straight to their place on disk, HDF5 lays the file out around them in memory at the end,
// when their number is known.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "core/base/crc32c.hpp"
#include "core/base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/hdf5/draft.hpp"
#include "io/shard/pixel_sums.hpp"
#include "io/shard/shard.hpp"

namespace convoy {
namespace {

constexpr uint64_t piece_bytes = 4 << 20;

/// Every object starts on a border, so that the first dataset's place does not depend on its size.
constexpr hdf5::Draft::Layout page_layout{.border = 4096, .border_from = 1};

/// Where HDF5 puts the data of the first dataset of a file.
uint64_t first_data_offset(const std::string& path) {
  const hdf5::Draft trial(path, 0);
  const hdf5::Session session;
  return hdf5::add_dataset(trial.create(page_layout), "images", H5T_STD_U8LE, {1, 1, 1, 1}).offset;
}

}  // namespace

struct ShardWriter::Impl {
  Impl(const std::string& final_path, const ShardHeader& shard_header);
  ~Impl() {
    if (!committed) unlink(temporary.c_str());
  }
  void expect(Encoding encoding) const;
  void put(std::span<const std::byte> data);
  void write_pending();
  hdf5::Region add_images(const hdf5::File& layout) const;
  void add_description(const hdf5::File& layout);
  void finish();

  std::string path, temporary;
  ShardHeader header;
  size_t image_bytes;   // of raw images
  uint64_t offset;      // of the first image in the file
  uint64_t stored = 0;  // of images, `pending` included
  std::vector<std::byte> pending;
  std::optional<FileDescriptor> file;  // none once the file is whole
  std::vector<int32_t> labels;
  std::vector<uint32_t> checksums;
  std::vector<uint64_t> offsets;  // of encoded images
  PixelSums sums;
  std::optional<MeanImageSum> mean_image;  // none where sizes differ
  bool committed = false;
};

ShardWriter::Impl::Impl(const std::string& final_path, const ShardHeader& shard_header)
    : path(final_path),
      temporary(temporary_beside(final_path)),
      header(shard_header),
      image_bytes(static_cast<size_t>(shard_header.image.count())),
      offset(first_data_offset(final_path)),
      sums(shard_header.image[2]) {
  const bool raw = header.encoding == Encoding::raw;
  if (header.dtype != DType::u8 || header.image.rank() != 3 || header.image[2] < 1 || (raw && image_bytes == 0)) {
    fail(ExitCode::internal, path, ": a shard holds uint8 images (H,W,C)");
  }
  if (raw) {
    mean_image.emplace(image_bytes);
  } else {
    header.image = {0, 0, header.image[2]};
    offsets.push_back(0);
  }
  file = open_to_write(temporary, O_CREAT | O_TRUNC | O_WRONLY, path);
  try {
    const uint64_t bytes = static_cast<uint64_t>(header.count) * (raw ? image_bytes : 0);
    if (bytes > 0) reserve_space(*file, path, offset + bytes);
  } catch (const Error&) {
    unlink(temporary.c_str());
    throw;
  }
}

void ShardWriter::Impl::expect(Encoding encoding) const {
  if (!file) fail(ExitCode::internal, path, ": images appended to a finished shard");
  if (header.encoding != encoding) fail(ExitCode::internal, path, ": raw and encoded images in one shard");
}

/// Goes to disk in pieces that end on borders of `piece_bytes` in the file: few calls, and a page cache of large
/// folios, out of which images of 192 KiB are copied a quarter faster than out of those that single images would make.
void ShardWriter::Impl::put(std::span<const std::byte> data) {
  check_size_limit(path, offset + stored + data.size());
  while (!data.empty()) {
    const uint64_t room = piece_bytes - (offset + stored) % piece_bytes;
    const auto here = data.first(static_cast<size_t>(std::min<uint64_t>(room, data.size())));
    pending.insert(pending.end(), here.begin(), here.end());
    stored += here.size();
    if (here.size() == room) write_pending();
    data = data.subspan(here.size());
  }
}

void ShardWriter::Impl::write_pending() {
  write_at(*file, path, pending.data(), pending.size(), offset + stored - pending.size());
  pending.clear();
}

/// Makes the dataset that the images on disk are the data of.
hdf5::Region ShardWriter::Impl::add_images(const hdf5::File& layout) const {
  const bool raw = header.encoding == Encoding::raw;
  const std::vector<int64_t> dims =
      raw ? std::vector<int64_t>{header.count, header.image[0], header.image[1], header.image[2]}
          : std::vector<int64_t>{static_cast<int64_t>(stored)};
  const hdf5::Region images = hdf5::add_dataset(layout, raw ? "images" : "bytes", H5T_STD_U8LE, dims);
  if (images.bytes != stored || (stored > 0 && images.offset != offset)) {
    fail(ExitCode::internal, path, ": HDF5 puts the images at byte ", images.offset, ", they were written at ", offset);
  }
  return images;
}

void ShardWriter::Impl::add_description(const hdf5::File& layout) {
  const int64_t count = header.count;
  hdf5::write(layout, "labels", H5T_STD_I32LE, {count}, H5T_NATIVE_INT32, labels.data());
  hdf5::write(layout, "crc32c", H5T_STD_U32LE, {count}, H5T_NATIVE_UINT32, checksums.data());
  if (mean_image && count > 0) {
    const std::vector<float> mean = mean_image->mean();
    const std::vector<int64_t> dims = {header.image[0], header.image[1], header.image[2]};
    hdf5::write(layout, "mean_image", H5T_IEEE_F32LE, dims, H5T_NATIVE_FLOAT, mean.data());
    hdf5::write_attribute(layout, "/", "mean_image_crc32c", crc32c(mean.data(), mean.size() * sizeof(float)));
  }
  hdf5::write_attribute(layout, "/", "format", std::string("convoy-shard"));
  hdf5::write_attribute(layout, "/", "version", int64_t{2});
  if (header.encoding == Encoding::jpeg) {
    hdf5::write(layout, "offsets", H5T_STD_U64LE, {count + 1}, H5T_NATIVE_UINT64, offsets.data());
    hdf5::write_attribute(layout, "/", "encoding", std::string("jpeg"));
    for (int i = 0; i < 3; ++i) {
      hdf5::write_attribute(layout, "/", std::string("image_") + "hwc"[i], header.image[i]);
    }
    hdf5::write_attribute(layout, "/", "offsets_crc32c", crc32c(offsets.data(), offsets.size() * sizeof(uint64_t)));
  }
  hdf5::write_attribute(layout, "/", "classes", header.classes);
  hdf5::write_attribute(layout, "/", "class_count", header.class_count);
  hdf5::write_attribute(layout, "/", "pixel_count", header.pixels.count);
  hdf5::write_attribute(layout, "/", "pixel_sums", header.pixels.sums);
  hdf5::write_attribute(layout, "/", "pixel_squares", header.pixels.squares);
  hdf5::write_attribute(layout, "/", "mean", header.mean);
  hdf5::write_attribute(layout, "/", "deviation", header.deviation);
  hdf5::write_attribute(layout, "/", "labels_crc32c", crc32c(labels.data(), labels.size() * sizeof(int32_t)));
  hdf5::write_attribute(layout, "/", "shard", int64_t{header.shard});
  hdf5::write_attribute(layout, "/", "shards", int64_t{header.shards});
  hdf5::write_attribute(layout, "/", "dataset_id", header.dataset_id);
}

void ShardWriter::Impl::finish() {
  header.count = static_cast<int64_t>(labels.size());
  header.pixels = sums.totals();
  header.mean = header.pixels.mean();
  header.deviation = header.pixels.deviation();
  write_pending();
  const hdf5::Draft draft(path, offset + stored);
  hdf5::Region images;
  {
    const hdf5::Session session;
    const hdf5::File layout = draft.create(page_layout);
    images = add_images(layout);
    add_description(layout);
  }
  reserve_space(*file, path, draft.size());
  draft.write_around({images}, *file);
  if (ftruncate(file->get(), static_cast<off_t>(draft.size())) != 0) fail_storage(path, "be cut to size", errno);
  if (fsync(file->get()) != 0) fail_storage(path, "be synced", errno);
  file.reset();
}

ShardWriter::ShardWriter(const std::string& path, const ShardHeader& header)
    : impl_(std::make_unique<Impl>(path, header)) {}

ShardWriter::~ShardWriter() = default;

void ShardWriter::append(const uint8_t* images, const int32_t* labels, int64_t count) {
  Impl& shard = *impl_;
  shard.expect(Encoding::raw);
  if (count < 0) fail(ExitCode::internal, shard.path, ": ", count, " images appended");
  const std::span all(images, static_cast<size_t>(count) * shard.image_bytes);
  shard.put(std::as_bytes(all));
  shard.labels.insert(shard.labels.end(), labels, labels + count);
  shard.sums.add(all);
  for (size_t at = 0; at < all.size(); at += shard.image_bytes) {
    const std::span image = all.subspan(at, shard.image_bytes);
    shard.checksums.push_back(crc32c(image.data(), image.size()));
    shard.mean_image->add(image);
  }
}

void ShardWriter::append_encoded(std::span<const std::byte> encoded, int32_t label, const Image& pixels) {
  Impl& shard = *impl_;
  shard.expect(Encoding::jpeg);
  const Shape size = {pixels.height, pixels.width, pixels.channels};
  if (encoded.empty() || size[2] != shard.header.image[2] || pixels.pixels.size() != pixels.bytes()) {
    fail(ExitCode::internal, shard.path, ": an image of ", encoded.size(), " bytes and ", size.text(),
         " pixels appended to images of ", shard.header.image[2], " channels");
  }
  shard.put(encoded);
  shard.offsets.push_back(shard.stored);
  shard.checksums.push_back(crc32c(encoded.data(), encoded.size()));
  shard.sums.add(pixels.pixels);
  if (shard.labels.empty()) {
    shard.header.image = size;
  } else if (shard.header.image != size) {
    shard.header.image = {0, 0, size[2]};
  }
  shard.labels.push_back(label);
}

const ShardHeader& ShardWriter::finish() {
  if (impl_->file) impl_->finish();
  return impl_->header;
}

void ShardWriter::commit() {
  finish();
  commit_file(impl_->temporary, impl_->path);
  impl_->committed = true;
}

}  // namespace convoy
