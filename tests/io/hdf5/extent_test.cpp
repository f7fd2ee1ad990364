// Files that claim more than they can hold cost no memory.
#include "tests/io/shard/foreign_file.hpp"

namespace convoy {
namespace {

class ForeignExtent : public ForeignShard {
 protected:
  /// Nothing is written, so that a file of some KiB can claim any shape.
  static void claim(hid_t file, const char* name, hid_t type, const Dims& dims) {
    const hdf5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    const Dims chunk(dims.size(), 1);
    H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data());
    add(file, name, type, dims, creation.get());
  }
};

TEST_F(ForeignExtent, ImagesThatNoFileOfThisSizeHoldsAreRefused) {
  const Dims shapes[] = {
      {hsize_t{1} << 40, 2, 2, 1}, {2, hsize_t{1} << 32, hsize_t{1} << 32, 1}, {2, 1 << 20, 1 << 12, 3}};
  for (const Dims& dims : shapes) {
    EXPECT_THAT(error_for([&](hid_t file) {
                  claim(file, "images", H5T_STD_U8LE, dims);
                  claim(file, "labels", H5T_STD_I32LE, {dims[0]});
                }),
                testing::HasSubstr("bytes can hold"));
  }
}

TEST_F(ForeignExtent, LabelsLikewise) {
  EXPECT_THAT(error_for([](hid_t file) {
                add_images(file);
                claim(file, "labels", H5T_STD_I32LE, {hsize_t{1} << 36});
              }),
              testing::HasSubstr("labels has shape 68719476736, more than its "));
}

}  // namespace
}  // namespace convoy
