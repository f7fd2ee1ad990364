// Reading HDF5 files that may be anything: missing, cut off, damaged, or made by somebody else.
#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "io/hdf5/hdf5.hpp"
#include "io/posix_file.hpp"

namespace convoy::hdf5 {
namespace {

std::mutex& session_mutex() {
  static std::mutex mutex;
  return mutex;
}

/// What HDF5 says about its last failure: the innermost description.
std::string reason() {
  std::string text;
  const auto take = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    if (error->desc && *error->desc) *static_cast<std::string*>(out) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, take, &text);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.empty() ? "no reason given" : text;
}

/// The size that the superblock says the file has; 0 where there is no superblock, as in files that are not HDF5.
/// https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html, II.A.
uint64_t size_in_superblock(const FileDescriptor& file, const std::string& path, uint64_t file_size) {
  constexpr std::array<uint8_t, 8> signature = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};
  for (uint64_t at = 0; at + 48 <= file_size; at = at == 0 ? 512 : at * 2) {
    std::array<uint8_t, 48> block;
    if (read_at(file, path, block.data(), block.size(), at) != block.size()) return 0;
    if (!std::equal(signature.begin(), signature.end(), block.begin())) continue;
    const size_t field = block[8] < 2 ? 40 : 28;  // offsets of eight bytes, as every 64-bit build writes them
    uint64_t size = 0;
    for (size_t i = 0; i < 8; ++i) size |= uint64_t{block[field + i]} << (8 * i);
    return std::max<uint64_t>(size, 1);
  }
  return 0;
}

[[noreturn]] void fail_opening(const std::string& path, const std::string& why) {
  const FileDescriptor file = open_to_read(path);
  const uint64_t size = size_of_file(file, path);
  if (size == 0) fail(ExitCode::data, path, ": is empty; make it or fetch it again");
  const uint64_t expected = size_in_superblock(file, path, size);
  if (expected == 0) fail(ExitCode::data, path, ": is not an HDF5 file; check the path, or make the file again");
  if (size < expected) {
    fail(ExitCode::data, path, ": is cut short: it has ", size, " bytes of ", expected, "; make it or fetch it again");
  }
  fail(ExitCode::data, path, ": HDF5 cannot open it (", why, "); it may be damaged: make it or fetch it again");
}

Handle open_dataset(const File& file, const std::string& dataset) {
  Handle opened(H5Dopen2(file.handle.get(), dataset.c_str(), H5P_DEFAULT), H5Dclose);
  if (opened.get() < 0) fail_reading(file, dataset);
  return opened;
}

Handle open_attribute(const File& file, const std::string& object, const std::string& name) {
  Handle opened(H5Aopen_by_name(file.handle.get(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (opened.get() < 0) fail_reading(file, "attribute " + name);
  return opened;
}

/// `count` texts through `read_into`, which fills a buffer of the given memory type.
template <typename ReadInto>
std::vector<std::string> collect_texts(hid_t stored, hid_t space, ReadInto read_into) {
  const auto count = static_cast<size_t>(std::max<hssize_t>(H5Sget_simple_extent_npoints(space), 0));
  std::vector<std::string> texts;
  if (count == 0) return texts;  // HDF5 refuses a null buffer even for nothing
  const Handle type(H5Tcopy(stored), H5Tclose);
  if (H5Tis_variable_str(stored) > 0) {
    std::vector<char*> pointers(count, nullptr);
    read_into(type.get(), pointers.data());
    for (const char* pointer : pointers) texts.emplace_back(pointer ? pointer : "");
    H5Dvlen_reclaim(type.get(), space, H5P_DEFAULT, pointers.data());
  } else {
    const size_t width = H5Tget_size(stored);
    std::vector<char> block(count * width);
    read_into(type.get(), block.data());
    for (size_t i = 0; i < count; ++i) {
      texts.emplace_back(block.data() + i * width, strnlen(block.data() + i * width, width));
    }
  }
  return texts;
}

/// All numbers of an attribute, converted to T.
template <typename T>
std::vector<T> read_numbers(const File& file, const std::string& object, const std::string& name, hid_t memory_type) {
  const Handle attribute = open_attribute(file, object, name);
  const Handle space(H5Aget_space(attribute.get()), H5Sclose);
  std::vector<T> values(static_cast<size_t>(std::max<hssize_t>(H5Sget_simple_extent_npoints(space.get()), 0)));
  if (H5Aread(attribute.get(), memory_type, values.data()) < 0) fail_reading(file, "attribute " + name);
  return values;
}

/// One number of an integer type.
template <typename T>
T read_number(const File& file, const std::string& object, const std::string& name, hid_t memory_type) {
  const Handle attribute = open_attribute(file, object, name);
  const Handle space(H5Aget_space(attribute.get()), H5Sclose);
  const Handle type(H5Aget_type(attribute.get()), H5Tclose);
  T value = 0;
  if (H5Sget_simple_extent_npoints(space.get()) != 1 || H5Tget_class(type.get()) != H5T_INTEGER) {
    fail(ExitCode::data, file.path, ": attribute ", name, " is not one integer; make the file again");
  }
  if (H5Aread(attribute.get(), memory_type, &value) < 0) fail_reading(file, "attribute " + name);
  return value;
}

}  // namespace

void fail_reading(const File& file, const std::string& what) {
  fail(ExitCode::data, file.path, ": ", what, " cannot be read (HDF5: ", reason(),
       "); the file may be damaged: make it or fetch it again");
}

Session::Session() : lock_(session_mutex()) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

File open_file(const std::string& path) {
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_file_locking(access.get(), false, true);
  open_to_read(path);  // HDF5's own words for a missing file or a folder are of no help
  File file{Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose), path};
  if (file.handle.get() < 0) fail_opening(path, reason());
  return file;
}

bool exists(const File& file, const std::string& object) {
  for (size_t slash = object.find('/', 1);; slash = object.find('/', slash + 1)) {
    const std::string part = object.substr(0, slash);
    if (H5Lexists(file.handle.get(), part.c_str(), H5P_DEFAULT) <= 0) return false;
    if (slash == std::string::npos) return H5Oexists_by_name(file.handle.get(), part.c_str(), H5P_DEFAULT) > 0;
  }
}

namespace {

std::string filters_of(hid_t creation) {
  std::string text;
  for (int i = 0; i < H5Pget_nfilters(creation); ++i) {
    std::array<char, 64> name{};
    unsigned flags = 0, config = 0;
    size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &values, nullptr,
                                               name.size() - 1, name.data(), &config);
    const std::string shown = filter == H5Z_FILTER_DEFLATE ? "gzip" : name[0] ? name.data() : std::to_string(filter);
    text += (text.empty() ? "" : ", ") + shown;
  }
  return text;
}

/// Refuses numbers of elements that no file of this size holds, before anything is allocated for them. Deflate packs
/// 1,032 bytes into one at best; what lies in other files is left to them.
void check_extent(const File& file, const std::string& dataset, const DatasetInfo& info, bool elsewhere) {
  uint64_t elements = 1;
  bool too_many = false;
  for (const int64_t dim : info.dims) {
    too_many = too_many || dim < 0 || __builtin_mul_overflow(elements, static_cast<uint64_t>(dim), &elements);
  }
  hsize_t file_bytes = 0;
  H5Fget_filesize(file.handle.get(), &file_bytes);
  const uint64_t most = elsewhere ? uint64_t{1} << 48 : 1032 * file_bytes;
  if (!too_many && elements <= most && info.element_bytes <= 1 << 16) return;
  fail(ExitCode::data, file.path, ": ", dataset, " has shape ", text_of(info.dims), ", more than its ", file_bytes,
       " bytes can hold; the file may be damaged: make it or fetch it again");
}

}  // namespace

DatasetInfo describe(const File& file, const std::string& dataset) {
  const Handle opened = open_dataset(file, dataset);
  const Handle space(H5Dget_space(opened.get()), H5Sclose);
  const Handle type(H5Dget_type(opened.get()), H5Tclose);
  const Handle creation(H5Dget_create_plist(opened.get()), H5Pclose);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 0) fail_reading(file, dataset);
  std::vector<hsize_t> dims(static_cast<size_t>(rank));
  if (rank > 0) H5Sget_simple_extent_dims(space.get(), dims.data(), nullptr);

  DatasetInfo info;
  info.dims.assign(dims.begin(), dims.end());
  info.type = H5Tget_class(type.get());
  info.element_bytes = H5Tget_size(type.get());
  info.is_signed = info.type == H5T_INTEGER && H5Tget_sign(type.get()) == H5T_SGN_2;
  info.big_endian = H5Tget_order(type.get()) == H5T_ORDER_BE;
  info.layout = H5Pget_layout(creation.get());
  if (info.layout == H5D_CHUNKED) {
    std::vector<hsize_t> chunk(dims.size());
    H5Pget_chunk(creation.get(), rank, chunk.data());
    info.chunk.assign(chunk.begin(), chunk.end());
    info.filters = filters_of(creation.get());
  }
  const haddr_t offset = H5Dget_offset(opened.get());
  if (info.layout == H5D_CONTIGUOUS && offset != HADDR_UNDEF && H5Pget_external_count(creation.get()) == 0) {
    info.data = {.offset = offset, .bytes = H5Dget_storage_size(opened.get())};
  }
  check_extent(file, dataset, info, info.layout == H5D_VIRTUAL || H5Pget_external_count(creation.get()) > 0);
  return info;
}

std::string text_of(const std::vector<int64_t>& dims) {
  std::string text;
  for (int64_t dim : dims) text += (text.empty() ? "" : "x") + std::to_string(dim);
  return text.empty() ? "scalar" : text;
}

void read(const File& file, const std::string& dataset, hid_t memory_type, void* out) {
  const Handle opened = open_dataset(file, dataset);
  if (H5Dread(opened.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0) fail_reading(file, dataset);
}

std::string read_text(const File& file, const std::string& dataset) {
  const Handle opened = open_dataset(file, dataset);
  const Handle space(H5Dget_space(opened.get()), H5Sclose);
  const Handle type(H5Dget_type(opened.get()), H5Tclose);
  if (H5Tget_class(type.get()) != H5T_STRING || H5Sget_simple_extent_npoints(space.get()) != 1) {
    fail(ExitCode::data, file.path, ": ", dataset, " is not one text; make the file again");
  }
  return collect_texts(type.get(), space.get(),
                       [&](hid_t memory_type, void* out) {
                         if (H5Dread(opened.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0)
                           fail_reading(file, dataset);
                       })
      .front();
}

std::vector<std::string> datasets_under(const File& file, const std::string& group) {
  const Handle opened(H5Gopen2(file.handle.get(), group.c_str(), H5P_DEFAULT), H5Gclose);
  if (opened.get() < 0) fail_reading(file, group);
  std::vector<std::string> names;
  const auto take = [](hid_t, const char* name, const H5O_info_t* info, void* out) -> herr_t {
    if (info->type == H5O_TYPE_DATASET) static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  if (H5Ovisit2(opened.get(), H5_INDEX_NAME, H5_ITER_INC, take, &names, H5O_INFO_BASIC) < 0) fail_reading(file, group);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> members(const File& file, const std::string& group) {
  const Handle opened(H5Gopen2(file.handle.get(), group.c_str(), H5P_DEFAULT), H5Gclose);
  if (opened.get() < 0) fail_reading(file, group);
  std::vector<std::string> names;
  const auto take = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  if (H5Literate(opened.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, take, &names) < 0) fail_reading(file, group);
  std::sort(names.begin(), names.end());
  return names;
}

bool has_attribute(const File& file, const std::string& object, const std::string& name) {
  return H5Aexists_by_name(file.handle.get(), object.c_str(), name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<std::string> text_attributes(const File& file, const std::string& object) {
  const Handle opened(H5Oopen(file.handle.get(), object.c_str(), H5P_DEFAULT), H5Oclose);
  if (opened.get() < 0) fail_reading(file, object);
  std::vector<std::string> names;
  const auto take = [](hid_t location, const char* name, const H5A_info_t*, void* out) -> herr_t {
    const Handle attribute(H5Aopen(location, name, H5P_DEFAULT), H5Aclose);
    const Handle type(H5Aget_type(attribute.get()), H5Tclose);
    if (H5Tget_class(type.get()) == H5T_STRING) static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  if (H5Aiterate2(opened.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, take, &names) < 0) fail_reading(file, object);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> read_texts(const File& file, const std::string& object, const std::string& name) {
  const Handle attribute = open_attribute(file, object, name);
  const Handle space(H5Aget_space(attribute.get()), H5Sclose);
  const Handle type(H5Aget_type(attribute.get()), H5Tclose);
  if (H5Tget_class(type.get()) != H5T_STRING) {
    fail(ExitCode::data, file.path, ": attribute ", name, " is not text; make the file again");
  }
  return collect_texts(type.get(), space.get(), [&](hid_t memory_type, void* out) {
    if (H5Aread(attribute.get(), memory_type, out) < 0) fail_reading(file, "attribute " + name);
  });
}

std::string read_text(const File& file, const std::string& object, const std::string& name) {
  const std::vector<std::string> texts = read_texts(file, object, name);
  if (texts.size() != 1) {
    fail(ExitCode::data, file.path, ": attribute ", name, " holds ", texts.size(),
         " texts, not one; make the file again");
  }
  return texts.front();
}

std::vector<double> read_doubles(const File& file, const std::string& object, const std::string& name) {
  return read_numbers<double>(file, object, name, H5T_NATIVE_DOUBLE);
}

std::vector<uint64_t> read_uints(const File& file, const std::string& object, const std::string& name) {
  return read_numbers<uint64_t>(file, object, name, H5T_NATIVE_UINT64);
}

int64_t read_int(const File& file, const std::string& object, const std::string& name) {
  return read_number<int64_t>(file, object, name, H5T_NATIVE_INT64);
}

uint64_t read_uint(const File& file, const std::string& object, const std::string& name) {
  return read_number<uint64_t>(file, object, name, H5T_NATIVE_UINT64);
}

}  // namespace convoy::hdf5
