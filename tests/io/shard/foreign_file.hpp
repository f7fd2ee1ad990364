// HDF5 files that Convoy would not write.
#pragma once

#include <functional>

#include "io/hdf5/hdf5.hpp"
#include "io/shard/shard.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {

using Dims = std::vector<hsize_t>;

/// A folder with one HDF5 file of the test's making.
class ForeignShard : public testing::Test {
 protected:
  using Build = std::function<void(hid_t file)>;

  void make(const Build& build) {
    const hdf5::Session session;
    const hdf5::Handle file(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
    build(file.get());
  }

  static hdf5::Handle add(hid_t file, const char* name, hid_t type, const Dims& dims, hid_t creation = H5P_DEFAULT) {
    const hdf5::Handle space(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), H5Sclose);
    return {H5Dcreate2(file, name, type, space.get(), H5P_DEFAULT, creation, H5P_DEFAULT), H5Dclose};
  }

  /// Images 0, 1, 2, ... as bytes, contiguous.
  static void add_images(hid_t file, const Dims& dims = {3, 2, 2, 1}) {
    hsize_t count = 1;
    for (hsize_t dim : dims) count *= dim;
    std::vector<uint8_t> bytes(count);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
    const hdf5::Handle made = add(file, "images", H5T_STD_U8LE, dims);
    H5Dwrite(made.get(), H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data());
  }

  static void add_labels(hid_t file, const std::vector<int64_t>& labels, hid_t type = H5T_STD_I32LE) {
    const hdf5::Handle made = add(file, "labels", type, {labels.size()});
    H5Dwrite(made.get(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, labels.data());
  }

  std::string error_for(const Build& build) {
    make(build);
    const std::string message = error_of(ExitCode::data, [&] { ShardReader reader(path_); });
    EXPECT_THAT(message, testing::HasSubstr(path_));
    return message;
  }

  TempFolder folder_;
  const std::string path_ = folder_ / "a.h5";
};

}  // namespace convoy
