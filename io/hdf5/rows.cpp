// Rows by H5Dread: whatever HDF5 can read, one thread at a time.
#include "io/hdf5/rows.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/base/error.hpp"

namespace convoy::hdf5 {
namespace {

constexpr uint64_t least_cache = 1 << 20, most_cache = 256 << 20;

/// An access list whose cache holds two rows' chunks.
Handle access_for(const DatasetInfo& info) {
  Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
  if (info.chunk.empty()) return access;
  uint64_t chunk_bytes = info.element_bytes, across = 1;
  for (size_t i = 0; i < info.chunk.size(); ++i) {
    chunk_bytes *= static_cast<uint64_t>(info.chunk[i]);
    if (i > 0) across *= static_cast<uint64_t>((info.dims[i] + info.chunk[i] - 1) / info.chunk[i]);
  }
  const uint64_t bytes = std::clamp(2 * across * chunk_bytes, least_cache, most_cache);
  const uint64_t slots = std::clamp<uint64_t>(100 * (bytes / std::max<uint64_t>(chunk_bytes, 1)), 521, 1 << 20) | 1;
  H5Pset_chunk_cache(access.get(), slots, bytes, 1.0);
  return access;
}

/// (C,P) to (P,C) for `size` bytes an element.
template <typename T>
void put_channels_last(const T* from, T* to, size_t channels, size_t places) {
  for (size_t c = 0; c < channels; ++c) {
    for (size_t place = 0; place < places; ++place) to[place * channels + c] = from[c * places + place];
  }
}

}  // namespace

struct Rows::Impl {
  RowsSpec spec;
  std::optional<File> file;
  Handle dataset;
  DatasetInfo info;
  size_t element_bytes = 1, row_elements = 1, channels = 1;
};

Rows::Rows(const std::string& path, RowsSpec spec) : impl_(std::make_unique<Impl>()) {
  const Session session;
  Impl& rows = *impl_;
  rows.spec = std::move(spec);
  rows.file = open_file(path);
  rows.info = describe(*rows.file, rows.spec.dataset);
  const Handle access = access_for(rows.info);
  rows.dataset = Handle(H5Dopen2(rows.file->handle.get(), rows.spec.dataset.c_str(), access.get()), H5Dclose);
  rows.element_bytes = size_of(rows.spec.element);
  for (size_t i = 1; i < rows.info.dims.size(); ++i) rows.row_elements *= static_cast<size_t>(rows.info.dims[i]);
  if (rows.spec.order == RowOrder::channels_first) rows.channels = static_cast<size_t>(rows.info.dims[1]);
}

Rows::~Rows() {
  if (!impl_) return;
  const Session session;
  impl_->dataset = Handle();
  impl_->file.reset();
}

void Rows::read(int64_t begin, int64_t count, void* out) const {
  const Impl& rows = *impl_;
  if (count == 0) return;
  const size_t row_bytes = rows.row_elements * rows.element_bytes;
  const bool turned = rows.channels > 1 && rows.row_elements > rows.channels;
  std::vector<std::byte> as_stored(turned ? static_cast<size_t>(count) * row_bytes : 0);
  {
    const Session session;
    std::vector<hsize_t> start(rows.info.dims.size()), extent(rows.info.dims.begin(), rows.info.dims.end());
    start[0] = static_cast<hsize_t>(begin);
    extent[0] = static_cast<hsize_t>(count);
    const Handle space(H5Dget_space(rows.dataset.get()), H5Sclose);
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr);
    const Handle memory(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), H5Sclose);
    const hid_t type = rows.spec.element == DType::f32 ? H5T_NATIVE_FLOAT : H5T_NATIVE_UINT8;
    void* to = turned ? as_stored.data() : out;
    if (H5Dread(rows.dataset.get(), type, memory.get(), space.get(), H5P_DEFAULT, to) < 0) {
      fail_reading(*rows.file, concat(rows.spec.dataset, ", rows ", begin, " to ", begin + count - 1, ","));
    }
  }
  if (!turned) return;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const std::byte* from = as_stored.data() + i * row_bytes;
    std::byte* to = static_cast<std::byte*>(out) + i * row_bytes;
    const size_t places = rows.row_elements / rows.channels;
    if (rows.element_bytes == 1) {
      put_channels_last(from, to, rows.channels, places);
    } else {
      put_channels_last(reinterpret_cast<const float*>(from), reinterpret_cast<float*>(to), rows.channels, places);
    }
  }
}

int64_t Rows::rows_in_chunk() const {
  return impl_->info.chunk.empty() ? 1 : impl_->info.chunk.front();
}

}  // namespace convoy::hdf5
