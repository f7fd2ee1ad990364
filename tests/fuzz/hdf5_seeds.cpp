// Shards by Convoy, raw and encoded, and files of the kinds that others make.
#include <fstream>
#include <sstream>

#include "io/hdf5/hdf5.hpp"
#include "io/image/encode.hpp"
#include "io/shard/shard.hpp"
#include "tests/fuzz/seeds.hpp"
#include "tests/io/image/image_testing.hpp"
#include "tests/support/temp_folder.hpp"

namespace convoy::fuzz {
namespace {

using hdf5::Handle;

std::string contents(const std::string& path) {
  std::stringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

std::string convoy_shard(const std::string& path, Encoding encoding, int64_t channels) {
  ShardWriter writer(path, {.image = {5, 4, channels},
                            .encoding = encoding,
                            .classes = {"cat", "dog", "hen"},
                            .class_count = 3,
                            .dataset_id = "fuzz"});
  for (int32_t i = 0; i < 3; ++i) {
    const Image image = made_up_picture(5, 4, channels);
    if (encoding == Encoding::raw) {
      writer.append(image.pixels.data(), &i, 1);
    } else {
      writer.append_encoded(encode_jpeg(image, 60), i, image);
    }
  }
  writer.commit();
  return contents(path);
}

struct Foreign {
  const char *images = "images", *labels = "labels";
  hid_t image_type = H5T_STD_U8LE, label_type = H5T_STD_I64LE;
  std::vector<hsize_t> dims = {4, 3, 2, 1}, chunk;
  bool gzip = false, latest = false, classes = false;
};

Handle add(hid_t file, const char* name, hid_t type, const std::vector<hsize_t>& dims, const Foreign& how) {
  const Handle space(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), H5Sclose);
  const Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  if (!how.chunk.empty() && how.chunk.size() == dims.size()) {
    H5Pset_chunk(creation.get(), static_cast<int>(dims.size()), how.chunk.data());
    if (how.gzip) H5Pset_shuffle(creation.get());
    if (how.gzip) H5Pset_deflate(creation.get(), 1);
  }
  return {H5Dcreate2(file, name, type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), H5Dclose};
}

/// Texts of variable length, as h5py writes them.
void add_classes(hid_t file) {
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), H5T_VARIABLE);
  const hsize_t count = 3;
  const Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose);
  const Handle attribute(H5Acreate2(file, "classes", type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const char* names[] = {"cat", "dog", "hen"};
  H5Awrite(attribute.get(), type.get(), names);
}

std::string foreign_file(const std::string& path, const Foreign& how) {
  {
    const hdf5::Session session;
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    if (how.latest) H5Pset_libver_bounds(access.get(), H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    const Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose);
    hsize_t count = 1;
    for (const hsize_t dim : how.dims) count *= dim;
    std::vector<uint8_t> bytes(count);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 3);
    const Handle images = add(file.get(), how.images, how.image_type, how.dims, how);
    H5Dwrite(images.get(), H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data());
    std::vector<int32_t> numbers(how.dims[0]);
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int32_t>(i % 3);
    const Handle labels = add(file.get(), how.labels, how.label_type, {how.dims[0]}, how);
    H5Dwrite(labels.get(), H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers.data());
    if (how.classes) add_classes(file.get());
  }
  return contents(path);
}

}  // namespace

std::vector<std::string> hdf5_seeds() {
  const TempFolder folder;
  int number = 0;
  const auto path = [&] { return folder / (std::to_string(number++) + ".h5"); };
  std::vector<std::string> seeds = {convoy_shard(path(), Encoding::raw, 3), convoy_shard(path(), Encoding::jpeg, 1)};
  const Foreign kinds[] = {
      {.classes = true},
      {.label_type = H5T_STD_I32BE, .chunk = {2, 3, 2, 1}},
      {.chunk = {2, 2, 2, 1}, .gzip = true},
      {.chunk = {1, 3, 2, 1}, .gzip = true, .latest = true, .classes = true},
      {.images = "data",
       .labels = "label",
       .image_type = H5T_IEEE_F32LE,
       .label_type = H5T_IEEE_F32LE,
       .dims = {2, 3, 4, 2}},
      {.image_type = H5T_IEEE_F64BE, .dims = {3, 2, 2}, .chunk = {2, 2, 1}, .latest = true},
  };
  for (const Foreign& kind : kinds) seeds.push_back(foreign_file(path(), kind));
  return seeds;
}

}  // namespace convoy::fuzz
