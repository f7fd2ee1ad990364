// Reading shards: HDF5 says where the images lie, pread fetches them, CRC32C vouches for them.
#include <algorithm>
#include <cstring>
#include <limits>

#include "core/base/crc32c.hpp"
#include "core/base/error.hpp"
#include "io/hdf5.hpp"
#include "io/posix_file.hpp"
#include "io/shard.hpp"

namespace convoy {
namespace {

constexpr const char* how_to_make = "make datasets with \"convoy import\"";

void check_kind(const hdf5::File& file) {
  if (hdf5::exists(file, "params")) {
    fail(ExitCode::data, file.path, ": holds a network's parameters, not images; give a dataset's folder");
  }
  for (const char* name : {"images", "labels"}) {
    if (!hdf5::exists(file, name)) {
      fail(ExitCode::data, file.path, ": is no shard of a dataset, it has no \"", name, "\"; ", how_to_make);
    }
  }
  if (!hdf5::has_attribute(file, "/", "format")) return;
  const std::string format = hdf5::read_text(file, "/", "format");
  if (format != "convoy-shard") {
    fail(ExitCode::data, file.path, ": has the format \"", format, "\", not convoy-shard; ", how_to_make);
  }
  const int64_t version = hdf5::read_int(file, "/", "version");
  if (version != 1) {
    fail(ExitCode::data, file.path, ": has version ", version,
         " of the shard format, this program reads 1; use a newer Convoy, or import the dataset again");
  }
}

/// Why images cannot be read by offset, or "".
std::string why_not_by_offset(const hdf5::DatasetInfo& images, uint64_t expected_bytes) {
  if (images.layout == H5D_CHUNKED) return "is chunked (or compressed)";
  if (images.layout != H5D_CONTIGUOUS) return "is not contiguous";
  if (images.data.bytes == 0) return "was never written, or lies in another file";
  if (images.data.bytes != expected_bytes) return "does not fill its place in the file";
  return "";
}

/// Fills image and count of the header; returns where the images lie.
hdf5::Region read_image_layout(const hdf5::File& file, ShardHeader& header) {
  const hdf5::DatasetInfo images = hdf5::describe(file, "images");
  const std::vector<int64_t>& dims = images.dims;
  const bool any_empty = std::any_of(dims.begin(), dims.end(), [](int64_t dim) { return dim < 1; });
  if ((dims.size() != 4 && dims.size() != 3) || any_empty) {
    fail(ExitCode::data, file.path, ": images has shape ", hdf5::text_of(dims),
         ", where (N,H,W,C) or (N,H,W) was expected, none of them 0; ", how_to_make);
  }
  if (images.type != H5T_INTEGER || images.element_bytes != 1 || images.is_signed) {
    fail(ExitCode::data, file.path, ": images are not uint8; ", how_to_make);
  }
  header.count = dims[0];
  header.image = Shape{dims[1], dims[2], dims.size() == 4 ? dims[3] : 1};
  const auto bytes = static_cast<uint64_t>(header.count * header.image.count());
  if (const std::string why = why_not_by_offset(images, bytes); !why.empty()) {
    fail(ExitCode::data, file.path, ": images ", why,
         ", so that it cannot be read by offset; write it contiguous (h5py: without chunks and compression)");
  }
  return images.data;
}

void read_description(const hdf5::File& file, ShardHeader& header) {
  const auto has = [&](const char* name) { return hdf5::has_attribute(file, "/", name); };
  if (has("classes")) header.classes = hdf5::read_texts(file, "/", "classes");
  if (has("class_count")) header.class_count = hdf5::read_int(file, "/", "class_count");
  if (!header.classes.empty()) header.class_count = static_cast<int64_t>(header.classes.size());
  if (has("mean")) header.mean = hdf5::read_doubles(file, "/", "mean");
  if (has("deviation")) header.deviation = hdf5::read_doubles(file, "/", "deviation");
  if (has("dataset_id")) header.dataset_id = hdf5::read_text(file, "/", "dataset_id");
  if (has("shard")) header.shard = static_cast<int>(hdf5::read_int(file, "/", "shard"));
  if (has("shards")) header.shards = static_cast<int>(hdf5::read_int(file, "/", "shards"));
  const auto channels = static_cast<size_t>(header.image[2]);
  for (const std::vector<double>* values : {&header.mean, &header.deviation}) {
    if (!values->empty() && values->size() != channels) {
      fail(ExitCode::data, file.path, ": mean or deviation has ", values->size(), " values for ", channels,
           " channels; import the dataset again");
    }
  }
}

/// Labels of any integer type; checks their number, checksum and range, and settles class_count.
std::vector<int32_t> read_labels(const hdf5::File& file, ShardHeader& header) {
  const hdf5::DatasetInfo info = hdf5::describe(file, "labels");
  if (info.type != H5T_INTEGER || info.dims.size() != 1) {
    fail(ExitCode::data, file.path, ": labels are not integers in one dimension; ", how_to_make);
  }
  if (info.dims[0] != header.count) {
    fail(ExitCode::data, file.path, ": has ", header.count, " images and ", info.dims[0],
         " labels; import the dataset again");
  }
  std::vector<int64_t> wide(static_cast<size_t>(header.count));
  hdf5::read(file, "labels", H5T_NATIVE_INT64, wide.data());
  const std::vector<int32_t> labels(wide.begin(), wide.end());
  if (hdf5::has_attribute(file, "/", "labels_crc32c") &&
      hdf5::read_uint(file, "/", "labels_crc32c") != crc32c(labels.data(), labels.size() * sizeof(int32_t))) {
    fail(ExitCode::data, file.path,
         ": its labels are damaged, they do not match their CRC32C; copy the shard again from its source, or import "
         "the dataset again");
  }
  constexpr int64_t most = std::numeric_limits<int32_t>::max();
  const int64_t limit = header.class_count > 0 ? std::min(header.class_count, most) : most;
  for (size_t row = 0; row < wide.size(); ++row) {
    if (wide[row] >= 0 && wide[row] < limit) continue;
    fail(ExitCode::data, file.path, ": the label of row ", row, " is ", wide[row], ", outside 0 to ", limit - 1,
         "; correct the labels and import the dataset again");
  }
  if (header.class_count <= 0) header.class_count = 1 + *std::max_element(wide.begin(), wide.end());
  return labels;
}

std::vector<uint32_t> read_checksums(const hdf5::File& file, const ShardHeader& header) {
  if (!hdf5::exists(file, "crc32c")) {
    if (!hdf5::has_attribute(file, "/", "format")) return {};
    fail(ExitCode::data, file.path, ": its table of checksums, crc32c, is missing; import the dataset again");
  }
  const hdf5::DatasetInfo info = hdf5::describe(file, "crc32c");
  if (info.type != H5T_INTEGER || info.dims != std::vector<int64_t>{header.count}) {
    fail(ExitCode::data, file.path, ": its table of checksums has shape ", hdf5::text_of(info.dims), " for ",
         header.count, " images; import the dataset again");
  }
  std::vector<uint32_t> checksums(static_cast<size_t>(header.count));
  hdf5::read(file, "crc32c", H5T_NATIVE_UINT32, checksums.data());
  return checksums;
}

}  // namespace

struct ShardReader::Impl {
  void fetch(int64_t row, int64_t count, uint8_t* to) const;
  void check(int64_t row, const uint8_t* image) const;

  uint64_t offset_of(int64_t row) const { return images.offset + static_cast<uint64_t>(row) * image_bytes; }

  std::string path;
  ShardHeader header;
  size_t image_bytes = 0;
  FileDescriptor file;
  hdf5::Region images;
  std::vector<int32_t> labels;
  std::vector<uint32_t> checksums;  // empty: none
  std::vector<uint8_t> held;        // all images, or empty
};

void ShardReader::Impl::fetch(int64_t row, int64_t count, uint8_t* to) const {
  const size_t bytes = static_cast<size_t>(count) * image_bytes;
  if (!held.empty()) {
    std::memcpy(to, held.data() + static_cast<size_t>(row) * image_bytes, bytes);
    return;
  }
  const size_t got = read_at(file, path, to, bytes, offset_of(row));
  if (got == bytes) return;
  const int64_t missing = row + static_cast<int64_t>(got / image_bytes);
  fail(ExitCode::data, path, ": image ", missing, " at byte ", offset_of(missing),
       ": the file was cut short while it was read, it now has ", size_of_file(file, path),
       " bytes; copy the shard again from its source, or import the dataset again");
}

void ShardReader::Impl::check(int64_t row, const uint8_t* image) const {
  const uint32_t found = crc32c(image, image_bytes);
  if (found == checksums[static_cast<size_t>(row)]) return;
  fail(ExitCode::data, path, ": image ", row, " at byte ", offset_of(row), ": its ", image_bytes,
       " bytes are damaged, they do not match their CRC32C; copy the shard again from its source, or import the "
       "dataset again");
}

ShardReader::ShardReader(const std::string& path) : impl_(std::make_unique<Impl>()) {
  Impl& shard = *impl_;
  shard.path = path;
  {
    const hdf5::Session session;
    const hdf5::File file = hdf5::open_file(path);
    check_kind(file);
    shard.images = read_image_layout(file, shard.header);
    read_description(file, shard.header);
    shard.labels = read_labels(file, shard.header);
    shard.checksums = read_checksums(file, shard.header);
  }
  shard.image_bytes = static_cast<size_t>(shard.header.image.count());
  shard.file = open_to_read(path);
}

ShardReader::~ShardReader() = default;

const std::string& ShardReader::path() const {
  return impl_->path;
}
const ShardHeader& ShardReader::header() const {
  return impl_->header;
}
const std::vector<int32_t>& ShardReader::labels() const {
  return impl_->labels;
}
bool ShardReader::has_checksums() const {
  return !impl_->checksums.empty();
}

void ShardReader::hold_in_memory() {
  std::vector<uint8_t> images(static_cast<size_t>(impl_->images.bytes));
  impl_->fetch(0, impl_->header.count, images.data());
  impl_->held = std::move(images);
}

void ShardReader::read(int64_t row, void* image) const {
  read(row, 1, image);
}

void ShardReader::read(int64_t row, int64_t count, void* images) const {
  const Impl& shard = *impl_;
  if (row < 0 || count < 0 || count > shard.header.count - row) {
    fail(ExitCode::internal, shard.path, ": rows ", row, " to ", row + count, " asked of ", shard.header.count);
  }
  auto* to = static_cast<uint8_t*>(images);
  shard.fetch(row, count, to);
  if (shard.checksums.empty()) return;
  for (int64_t i = 0; i < count; ++i) shard.check(row + i, to + static_cast<size_t>(i) * shard.image_bytes);
}

}  // namespace convoy
