// HDF5 behind RAII handles, private to io: its error stack is silenced and turned into one-line Errors.
//
// All calls are made inside a Session, which admits one thread at a time (a build of HDF5 may not be thread-safe).
// Files are opened with file locking off. Nothing here writes to a disk: HDF5 1.10 crashes when a flush fails, so files
// are laid out in memory (io/hdf5/draft.hpp) and written by our own calls.
#pragma once

// Later versions of HDF5 keep these names for the calls of 1.10.
#define H5_USE_110_API
#include <hdf5.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace convoy::hdf5 {

/// Held around every use of this header. Not recursive.
class Session {
 public:
  Session();

 private:
  std::lock_guard<std::mutex> lock_;
};

class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Close close) : id_(id), close_(close) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }

  hid_t get() const { return id_; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Close close_ = nullptr;
};

struct File {
  Handle handle;
  std::string path;  // named in messages
};

/// Bytes of a file, counted from its beginning.
struct Region {
  uint64_t offset = 0, bytes = 0;
};

// Reading. Every function throws Error(data) naming the file.

/// Error(data) for a failed call of HDF5, with its reason.
[[noreturn]] void fail_reading(const File& file, const std::string& what);

/// Tells apart: missing, a folder, empty, not HDF5, cut off (both sizes), damaged.
File open_file(const std::string& path);

bool exists(const File& file, const std::string& object);

struct DatasetInfo {
  std::vector<int64_t> dims;
  H5T_class_t type = H5T_NO_CLASS;
  size_t element_bytes = 0;
  bool is_signed = false;
  bool big_endian = false;
  std::vector<int64_t> chunk;  // its dimensions; empty where the dataset is not chunked
  std::string filters;         // "gzip, shuffle"
  H5D_layout_t layout = H5D_LAYOUT_ERROR;
  Region data;  // bytes 0 where nothing was written, or where the data are not in this file as they are
};
DatasetInfo describe(const File& file, const std::string& dataset);

/// "28x28x1".
std::string text_of(const std::vector<int64_t>& dims);

/// The whole dataset, converted to `memory_type`; the caller has seen to its size.
void read(const File& file, const std::string& dataset, hid_t memory_type, void* out);
std::string read_text(const File& file, const std::string& dataset);

/// Names of all datasets under `group`, relative to it ("conv1/weight"), sorted.
std::vector<std::string> datasets_under(const File& file, const std::string& group);
/// Names of the groups and datasets directly in `group`, sorted.
std::vector<std::string> members(const File& file, const std::string& group);

bool has_attribute(const File& file, const std::string& object, const std::string& name);
/// Names of an object's attributes that are texts, sorted.
std::vector<std::string> text_attributes(const File& file, const std::string& object);
/// Fixed or variable length, one or many.
std::vector<std::string> read_texts(const File& file, const std::string& object, const std::string& name);
/// The only text of an attribute.
std::string read_text(const File& file, const std::string& object, const std::string& name);
std::vector<double> read_doubles(const File& file, const std::string& object, const std::string& name);
std::vector<uint64_t> read_uints(const File& file, const std::string& object, const std::string& name);
int64_t read_int(const File& file, const std::string& object, const std::string& name);
uint64_t read_uint(const File& file, const std::string& object, const std::string& name);

// Writing, into a file made by Draft.

/// Makes a contiguous dataset and the groups above it; returns where its data go, {} where a dimension is 0. Nothing is
/// written there.
Region add_dataset(const File& file, const std::string& dataset, hid_t type, const std::vector<int64_t>& dims);
/// Makes a dataset and writes it.
void write(const File& file, const std::string& dataset, hid_t type, const std::vector<int64_t>& dims,
           hid_t memory_type, const void* data);
void write_text(const File& file, const std::string& dataset, const std::string& text);
void make_group(const File& file, const std::string& group);

void write_attribute(const File& file, const std::string& object, const std::string& name, const std::string& text);
void write_attribute(const File& file, const std::string& object, const std::string& name,
                     const std::vector<std::string>& texts);
void write_attribute(const File& file, const std::string& object, const std::string& name,
                     const std::vector<double>& values);
void write_attribute(const File& file, const std::string& object, const std::string& name,
                     const std::vector<uint64_t>& values);
void write_attribute(const File& file, const std::string& object, const std::string& name, int64_t value);
void write_attribute(const File& file, const std::string& object, const std::string& name, uint64_t value);
void write_attribute(const File& file, const std::string& object, const std::string& name, uint32_t value);

}  // namespace convoy::hdf5
