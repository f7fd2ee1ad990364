// Writing HDF5 objects into a draft in memory. Failures here are defects or a want of memory, never the disk.
#include <algorithm>

#include "core/base/error.hpp"
#include "io/hdf5/hdf5.hpp"

namespace convoy::hdf5 {
namespace {

[[noreturn]] void fail_writing(const File& file, const std::string& what) {
  fail(ExitCode::internal, file.path, ": HDF5 cannot lay out ", what, " in memory; is there memory left?");
}

Handle make_space(const std::vector<int64_t>& dims) {
  const std::vector<hsize_t> extents(dims.begin(), dims.end());
  return dims.empty() ? Handle(H5Screate(H5S_SCALAR), H5Sclose)
                      : Handle(H5Screate_simple(static_cast<int>(dims.size()), extents.data(), nullptr), H5Sclose);
}

/// Texts of fixed length: those of variable length lie in HDF5's global heap, which has no checksum, and HDF5 1.10 can
/// loop for ever over a damaged one.
Handle text_type(size_t bytes) {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), std::max<size_t>(bytes, 1));
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

Handle make_dataset(const File& file, const std::string& dataset, hid_t type, const std::vector<int64_t>& dims) {
  if (const size_t slash = dataset.rfind('/'); slash != std::string::npos && slash > 0) {
    make_group(file, dataset.substr(0, slash));
  }
  const Handle space = make_space(dims);
  const Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_layout(creation.get(), H5D_CONTIGUOUS);
  H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(creation.get(), false);
  Handle made(
      H5Dcreate2(file.handle.get(), dataset.c_str(), type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
      H5Dclose);
  if (made.get() < 0) fail_writing(file, dataset);
  return made;
}

void write_one(const File& file, const std::string& object, const std::string& name, hid_t type, hid_t memory_type,
               const std::vector<int64_t>& dims, const void* data) {
  const char nothing = 0;  // HDF5 wants an address even for no elements
  const Handle space = make_space(dims);
  const Handle attribute(H5Acreate_by_name(file.handle.get(), object.c_str(), name.c_str(), type, space.get(),
                                           H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose);
  if (attribute.get() < 0 || H5Awrite(attribute.get(), memory_type, data ? data : &nothing) < 0)
    fail_writing(file, name);
}

}  // namespace

void make_group(const File& file, const std::string& group) {
  const Handle creation(H5Pcreate(H5P_GROUP_CREATE), H5Pclose);
  H5Pset_obj_track_times(creation.get(), false);
  for (size_t slash = group.find('/', 1);; slash = group.find('/', slash + 1)) {
    const std::string part = group.substr(0, slash);
    if (!exists(file, part)) {
      const Handle made(H5Gcreate2(file.handle.get(), part.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                        H5Gclose);
      if (made.get() < 0) fail_writing(file, part);
    }
    if (slash == std::string::npos) return;
  }
}

Region add_dataset(const File& file, const std::string& dataset, hid_t type, const std::vector<int64_t>& dims) {
  const Handle made = make_dataset(file, dataset, type, dims);
  const haddr_t offset = H5Dget_offset(made.get());
  if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return {};
  const Region region{.offset = offset, .bytes = H5Dget_storage_size(made.get())};
  if (offset == HADDR_UNDEF || region.bytes == 0) fail_writing(file, dataset);
  return region;
}

void write(const File& file, const std::string& dataset, hid_t type, const std::vector<int64_t>& dims,
           hid_t memory_type, const void* data) {
  const Handle made = make_dataset(file, dataset, type, dims);
  if (H5Dwrite(made.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) fail_writing(file, dataset);
}

void write_text(const File& file, const std::string& dataset, const std::string& text) {
  const Handle type = text_type(text.size());
  write(file, dataset, type.get(), {}, type.get(), text.c_str());
}

void write_attribute(const File& file, const std::string& object, const std::string& name, const std::string& text) {
  const Handle type = text_type(text.size());
  write_one(file, object, name, type.get(), type.get(), {}, text.c_str());
}

void write_attribute(const File& file, const std::string& object, const std::string& name,
                     const std::vector<std::string>& texts) {
  size_t width = 1;
  for (const std::string& text : texts) width = std::max(width, text.size());
  std::string block;
  for (const std::string& text : texts) block += text + std::string(width - text.size(), '\0');
  const Handle type = text_type(width);
  write_one(file, object, name, type.get(), type.get(), {static_cast<int64_t>(texts.size())}, block.data());
}

void write_attribute(const File& file, const std::string& object, const std::string& name,
                     const std::vector<double>& values) {
  write_one(file, object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, {static_cast<int64_t>(values.size())},
            values.data());
}

void write_attribute(const File& file, const std::string& object, const std::string& name,
                     const std::vector<uint64_t>& values) {
  write_one(file, object, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, {static_cast<int64_t>(values.size())}, values.data());
}

void write_attribute(const File& file, const std::string& object, const std::string& name, int64_t value) {
  write_one(file, object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, {}, &value);
}

void write_attribute(const File& file, const std::string& object, const std::string& name, uint64_t value) {
  write_one(file, object, name, H5T_STD_U64LE, H5T_NATIVE_UINT64, {}, &value);
}

void write_attribute(const File& file, const std::string& object, const std::string& name, uint32_t value) {
  write_one(file, object, name, H5T_STD_U32LE, H5T_NATIVE_UINT32, {}, &value);
}

}  // namespace convoy::hdf5
