// Reading what a shard's file says of itself; nothing of it is believed before it has been checked.
#include "io/shard/contents.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/base/crc32c.hpp"
#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {
namespace {

constexpr const char* how_to_make = "make datasets with \"convoy import\"";

bool has_format(const hdf5::File& file) {
  return hdf5::has_attribute(file, "/", "format");
}

bool is_encoded(const hdf5::File& file) {
  return hdf5::exists(file, "bytes") && hdf5::exists(file, "offsets");
}

/// The first of these that the file has; the first of all where it has none.
std::string first_of(const hdf5::File& file, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (hdf5::exists(file, name)) return name;
  }
  return names.front();
}

/// Caffe calls them data and label.
std::string images_name(const hdf5::File& file) {
  return is_encoded(file) ? "bytes" : first_of(file, {"images", "data"});
}
std::string labels_name(const hdf5::File& file) {
  return first_of(file, {"labels", "label", "targets"});
}

/// Names from a file that may be damaged must not break a message's line.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < ' '; }, '?');
  return text;
}

void check_kind(const hdf5::File& file) {
  if (hdf5::exists(file, "params")) {
    fail(ExitCode::data, file.path, ": holds a network's parameters, not images; give a dataset's folder");
  }
  for (const std::string& name : {images_name(file), labels_name(file)}) {
    if (hdf5::exists(file, name)) continue;
    const std::vector<std::string> members = hdf5::members(file, "/");
    fail(ExitCode::data, file.path, ": is no shard of a dataset, it has no \"", name, "\"",
         members.empty() ? "" : ", only " + printable(join(members, ", ")), "; ", how_to_make);
  }
  if (!has_format(file)) return;
  const std::string format = hdf5::read_text(file, "/", "format");
  if (format != "convoy-shard") {
    fail(ExitCode::data, file.path, ": has the format \"", printable(format), "\", not convoy-shard; ", how_to_make);
  }
  const int64_t version = hdf5::read_int(file, "/", "version");
  if (version != 1 && version != 2) {
    fail(ExitCode::data, file.path, ": has version ", version,
         " of the shard format, this program reads 1 and 2; use a newer Convoy, or import the dataset again");
  }
}

/// Why data cannot be read by offset, or "".
std::string why_not_by_offset(const hdf5::DatasetInfo& data, uint64_t expected_bytes) {
  if (data.layout == H5D_CHUNKED) {
    return data.filters.empty() ? "chunked" : "chunked and packed (" + data.filters + ")";
  }
  if (data.layout != H5D_CONTIGUOUS) return "not contiguous";
  if (data.big_endian && data.element_bytes > 1) return "big-endian";
  if (expected_bytes > 0 && data.data.bytes == 0) return "in another file, or never written";
  if (data.data.bytes != expected_bytes) return "not filling their place in the file";
  return "";
}

/// Convoy's own shards are read by offset or not at all: anything else means damage.
void settle_way(const hdf5::File& file, const hdf5::DatasetInfo& info, uint64_t expected, ShardContents& shard) {
  shard.data = info.data;
  if (shard.through.empty()) shard.through = why_not_by_offset(info, expected);
  if (shard.through.empty() || !has_format(file)) return;
  fail(ExitCode::data, file.path, ": ", shard.rows.dataset, " are ", shard.through,
       ", which no shard of Convoy's is; copy the shard again from its source, or import the dataset again");
}

/// uint8 stays; floats are read as fp32.
DType pixel_type(const hdf5::File& file, const std::string& name, const hdf5::DatasetInfo& info) {
  if (info.type == H5T_INTEGER && info.element_bytes == 1 && !info.is_signed) return DType::u8;
  if (info.type == H5T_FLOAT && !has_format(file)) return DType::f32;
  fail(ExitCode::data, file.path, ": ", name, " are ", 8 * info.element_bytes, "-bit ",
       info.type == H5T_INTEGER ? (info.is_signed ? "signed integers" : "integers") : "values",
       ", not uint8 or floats; ", how_to_make);
}

/// Caffe's `data` is (N,C,H,W); so are other people's `images` where only that makes sense of their shape.
bool is_channels_first(const std::string& name, const std::vector<int64_t>& dims) {
  if (name == "data") return true;
  return (dims[1] == 1 || dims[1] == 3) && dims[2] >= 8 && dims[3] >= 8;
}

void read_raw_layout(const hdf5::File& file, ShardContents& shard) {
  const std::string name = images_name(file);
  const hdf5::DatasetInfo images = hdf5::describe(file, name);
  const std::vector<int64_t>& dims = images.dims;
  // Only Convoy's own shards may hold no images.
  const auto first = dims.begin() + (has_format(file) && !dims.empty() ? 1 : 0);
  const bool any_empty = std::any_of(first, dims.end(), [](int64_t dim) { return dim < 1; });
  const bool vectors = name == "data" && dims.size() == 2;
  if ((dims.size() != 4 && dims.size() != 3 && !vectors) || any_empty) {
    fail(ExitCode::data, file.path, ": ", name, " has shape ", hdf5::text_of(dims), ", where ",
         name == "data" ? "(N,C,H,W) or (N,C)" : "(N,H,W,C) or (N,H,W)", " was expected, none of them 0; ",
         how_to_make);
  }
  shard.header.dtype = pixel_type(file, name, images);
  shard.rows = {.dataset = name, .element = shard.header.dtype};
  shard.header.count = dims[0];
  if (vectors) {
    shard.header.image = Shape{1, 1, dims[1]};
  } else if (dims.size() == 3) {
    shard.header.image = Shape{dims[1], dims[2], 1};
  } else if (!has_format(file) && is_channels_first(name, dims)) {
    shard.header.image = Shape{dims[2], dims[3], dims[1]};
    shard.remarks.push_back(name + " " + hdf5::text_of(dims) + " are taken for (N,C,H,W)");
    if (dims[1] > 1 && dims[2] * dims[3] > 1) {
      shard.rows.order = hdf5::RowOrder::channels_first;
      shard.through = "(N,C,H,W)";
    }
  } else {
    shard.header.image = Shape{dims[1], dims[2], dims[3]};
  }
  if (shard.header.dtype == DType::f32) {
    shard.remarks.emplace_back("pixels are floats: mean 0 and scale 1 leave them as they are");
    if (images.element_bytes != sizeof(float)) shard.through = concat(8 * images.element_bytes, "-bit floats");
  }
  const auto bytes = static_cast<uint64_t>(dims[0] * shard.header.image.count()) * images.element_bytes;
  settle_way(file, images, bytes, shard);
}

void read_offsets(const hdf5::File& file, ShardContents& shard, int64_t total) {
  shard.offsets.resize(static_cast<size_t>(shard.header.count) + 1);
  hdf5::read(file, "offsets", H5T_NATIVE_UINT64, shard.offsets.data());
  const char* remedy = "; copy the shard again from its source, or import the dataset again";
  if (hdf5::has_attribute(file, "/", "offsets_crc32c") &&
      hdf5::read_uint(file, "/", "offsets_crc32c") !=
          crc32c(shard.offsets.data(), shard.offsets.size() * sizeof(uint64_t))) {
    fail(ExitCode::data, file.path, ": its offsets are damaged, they do not match their CRC32C", remedy);
  }
  if (shard.offsets.front() != 0 || std::cmp_not_equal(shard.offsets.back(), total) ||
      !std::is_sorted(shard.offsets.begin(), shard.offsets.end())) {
    fail(ExitCode::data, file.path, ": its offsets do not rise from 0 to its ", total, " bytes", remedy);
  }
}

void read_encoded_layout(const hdf5::File& file, ShardContents& shard) {
  const hdf5::DatasetInfo bytes = hdf5::describe(file, "bytes");
  const hdf5::DatasetInfo offsets = hdf5::describe(file, "offsets");
  const int64_t least = has_format(file) ? 1 : 2;
  if (bytes.dims.size() != 1 || offsets.dims.size() != 1 || offsets.type != H5T_INTEGER || offsets.dims[0] < least) {
    fail(ExitCode::data, file.path, ": bytes has shape ", hdf5::text_of(bytes.dims), " and offsets ",
         hdf5::text_of(offsets.dims), ", where (B) and N + 1 integers were expected; ", how_to_make);
  }
  shard.header.encoding = Encoding::jpeg;
  shard.header.count = offsets.dims[0] - 1;
  shard.header.image = {0, 0, 3};
  if (hdf5::has_attribute(file, "/", "image_c")) {
    shard.header.image = {hdf5::read_int(file, "/", "image_h"), hdf5::read_int(file, "/", "image_w"),
                          hdf5::read_int(file, "/", "image_c")};
  }
  const Shape& image = shard.header.image;
  if (image[0] < 0 || image[1] < 0 || (image[2] != 1 && image[2] != 3)) {
    fail(ExitCode::data, file.path, ": says its images are ", image.text(), "; import the dataset again");
  }
  if (pixel_type(file, "bytes", bytes) != DType::u8)
    fail(ExitCode::data, file.path, ": bytes are not uint8; ", how_to_make);
  shard.rows.dataset = "bytes";
  settle_way(file, bytes, static_cast<uint64_t>(bytes.dims[0]), shard);
  read_offsets(file, shard, bytes.dims[0]);
}

void read_description(const hdf5::File& file, ShardHeader& header) {
  const auto has = [&](const char* name) { return hdf5::has_attribute(file, "/", name); };
  if (has("classes")) header.classes = hdf5::read_texts(file, "/", "classes");
  if (has("class_count")) {
    header.class_count = hdf5::read_int(file, "/", "class_count");
    if (header.class_count < 0 || header.class_count > std::numeric_limits<int32_t>::max()) {
      fail(ExitCode::data, file.path, ": says it has ", header.class_count, " classes, outside 0 to ",
           std::numeric_limits<int32_t>::max(), "; import the dataset again");
    }
  }
  if (!header.classes.empty()) header.class_count = static_cast<int64_t>(header.classes.size());
  if (has("mean")) header.mean = hdf5::read_doubles(file, "/", "mean");
  if (has("deviation")) header.deviation = hdf5::read_doubles(file, "/", "deviation");
  if (has("dataset_id")) header.dataset_id = hdf5::read_text(file, "/", "dataset_id");
  if (has("shard")) header.shard = static_cast<int>(hdf5::read_int(file, "/", "shard"));
  if (has("shards")) header.shards = static_cast<int>(hdf5::read_int(file, "/", "shards"));
  if (has("pixel_count") && has("pixel_sums") && has("pixel_squares")) {
    header.pixels = {.count = hdf5::read_uint(file, "/", "pixel_count"),
                     .sums = hdf5::read_uints(file, "/", "pixel_sums"),
                     .squares = hdf5::read_uints(file, "/", "pixel_squares")};
    if (!header.pixels.plausible(header.image[2])) {
      fail(ExitCode::data, file.path, ": pixel_count, pixel_sums and pixel_squares cannot be those of pixels with ",
           header.image[2], " channels; import the dataset again");
    }
  }
  const auto channels = static_cast<size_t>(header.image[2]);
  for (const std::vector<double>* values : {&header.mean, &header.deviation}) {
    if (!values->empty() && values->size() != channels) {
      fail(ExitCode::data, file.path, ": mean or deviation has ", values->size(), " values for ", channels,
           " channels; import the dataset again");
    }
  }
}

/// As 64-bit integers, from any type of integers, or from floats that are whole numbers.
std::vector<int64_t> read_wide_labels(const hdf5::File& file, const std::string& name, const hdf5::DatasetInfo& info,
                                      int64_t count) {
  std::vector<int64_t> wide(static_cast<size_t>(count));
  if (info.type == H5T_INTEGER) {
    hdf5::read(file, name, H5T_NATIVE_INT64, wide.data());
    return wide;
  }
  std::vector<double> values(wide.size());
  hdf5::read(file, name, H5T_NATIVE_DOUBLE, values.data());
  for (size_t row = 0; row < values.size(); ++row) {
    if (!(std::abs(values[row]) < 1e15) || values[row] != std::floor(values[row])) {
      fail(ExitCode::data, file.path, ": the label of row ", row, " is ", values[row],
           ", no whole number: Convoy's labels are classes, or whole numbers for loss mse; round them, or make classes "
           "of them");
    }
    wide[row] = static_cast<int64_t>(values[row]);
  }
  return wide;
}

/// Checks their number, checksum and range, and settles class_count.
std::vector<int32_t> read_labels(const hdf5::File& file, ShardHeader& header) {
  const std::string name = labels_name(file);
  const hdf5::DatasetInfo info = hdf5::describe(file, name);
  const std::vector<int64_t>& dims = info.dims;
  const bool numbers = info.type == H5T_INTEGER || (info.type == H5T_FLOAT && !has_format(file));
  if (!numbers || dims.empty() || std::any_of(dims.begin() + 1, dims.end(), [](int64_t dim) { return dim != 1; })) {
    fail(ExitCode::data, file.path, ": ", name, " are not numbers in one dimension, but ",
         numbers ? hdf5::text_of(dims) : "something else",
         "; give each image one label, the number of its class, counted from 0");
  }
  if (dims[0] != header.count) {
    fail(ExitCode::data, file.path, ": has ", header.count, " images and ", dims[0],
         " labels; import the dataset again");
  }
  const std::vector<int64_t> wide = read_wide_labels(file, name, info, header.count);
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
  if (header.class_count <= 0 && !wide.empty()) header.class_count = 1 + *std::max_element(wide.begin(), wide.end());
  return labels;
}

std::vector<uint32_t> read_checksums(const hdf5::File& file, const ShardHeader& header) {
  if (!hdf5::exists(file, "crc32c")) {
    if (!has_format(file)) return {};
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

ShardContents read_shard_contents(const hdf5::File& file) {
  check_kind(file);
  ShardContents shard;
  if (is_encoded(file)) {
    read_encoded_layout(file, shard);
  } else {
    read_raw_layout(file, shard);
  }
  read_description(file, shard.header);
  shard.labels = read_labels(file, shard.header);
  shard.checksums = read_checksums(file, shard.header);
  return shard;
}

std::vector<float> read_mean_image(const hdf5::File& file, const Shape& image) {
  if (!hdf5::exists(file, "mean_image")) return {};
  const hdf5::DatasetInfo info = hdf5::describe(file, "mean_image");
  if (info.type != H5T_FLOAT || info.dims != std::vector<int64_t>{image[0], image[1], image[2]}) {
    fail(ExitCode::data, file.path, ": its mean_image has shape ", hdf5::text_of(info.dims), " for images of ",
         image.text(), "; import the dataset again");
  }
  std::vector<float> mean(static_cast<size_t>(image.count()));
  hdf5::read(file, "mean_image", H5T_NATIVE_FLOAT, mean.data());
  if (hdf5::has_attribute(file, "/", "mean_image_crc32c") &&
      hdf5::read_uint(file, "/", "mean_image_crc32c") != crc32c(mean.data(), mean.size() * sizeof(float))) {
    fail(ExitCode::data, file.path,
         ": its mean_image is damaged, it does not match its CRC32C; copy the shard again from its source, or import "
         "the dataset again");
  }
  return mean;
}

}  // namespace convoy
