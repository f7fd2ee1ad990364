// Initial weights from HDF5 files that other tools made.
#include <array>

#include "core/memory/segment_table.hpp"
#include "io/checkpoint.hpp"
#include "io/hdf5/hdf5.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class InitialWeights : public testing::Test {
 protected:
  InitialWeights() {
    table_.add({.name = "fc1/weight", .shape = {2, 3}});
    table_.add({.name = "fc1/bias", .shape = {2}});
  }

  ParameterArena arena() { return {table_, 0, std::span(storage_).first(ParameterArena::bytes(table_, 0))}; }

  /// Makes the file anew; add() adds to it.
  void make() {
    const hdf5::Session session;
    const hdf5::Handle file(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  }
  void add(const std::string& name, hid_t type, const std::vector<hsize_t>& dims, const std::vector<double>& values,
           bool compressed = false) {
    const hdf5::Session session;
    const hdf5::Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
    const hdf5::Handle space(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr), H5Sclose);
    const hdf5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose), creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_create_intermediate_group(links.get(), 1);
    if (compressed) {
      H5Pset_chunk(creation.get(), static_cast<int>(dims.size()), dims.data());
      H5Pset_deflate(creation.get(), 6);
    }
    const hdf5::Handle made(
        H5Dcreate2(file.get(), name.c_str(), type, space.get(), links.get(), creation.get(), H5P_DEFAULT), H5Dclose);
    H5Dwrite(made.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  }

  std::string error_reading() {
    const std::string message = error_of(ExitCode::data, [&] { read_initial_weights(path_, arena()); });
    EXPECT_THAT(message, HasSubstr(path_));
    return message;
  }

  TempFolder folder_;
  const std::string path_ = folder_ / "init.h5";
  SegmentTable table_;
  alignas(256) std::array<std::byte, 4096> storage_{};
};

TEST_F(InitialWeights, AreReadFromSingleAndDoublePrecisionAndOtherByteOrders) {
  for (const hid_t type : {H5T_IEEE_F32LE, H5T_IEEE_F64LE, H5T_IEEE_F32BE}) {
    make();
    add("params/fc1/weight", type, {2, 3}, {1, 2, 3, 4, 5, 0.1});
    add("params/fc1/bias", type, {2}, {-1, -2}, true);
    add("else/thing", type, {1}, {1});  // only /params counts
    read_initial_weights(path_, arena());
    const std::span<float> weights = arena().weights();
    EXPECT_THAT(std::vector<float>(weights.begin(), weights.begin() + 6), ElementsAre(1, 2, 3, 4, 5, 0.1f));
    EXPECT_THAT(weights[table_.find("fc1/bias")->offset], -1);
  }
}

TEST_F(InitialWeights, AreReadFromACheckpoint) {
  arena().weights()[2] = 7;
  const std::string path = write_checkpoint(folder_.path(), arena(), {}, {});
  arena().weights()[2] = 0;
  read_initial_weights(path, arena());
  EXPECT_EQ(arena().weights()[2], 7);
}

TEST_F(InitialWeights, OfOtherShapesAreRefused) {
  make();
  add("params/fc1/weight", H5T_IEEE_F32LE, {3, 2}, std::vector<double>(6));
  add("params/fc1/bias", H5T_IEEE_F32LE, {2}, {1, 2});
  EXPECT_THAT(error_reading(),
              AllOf(HasSubstr("params/fc1/weight"), HasSubstr("3x2 in the file and 2x3 in this network")));
}

TEST_F(InitialWeights, ThatLackOrExceedAreRefused) {
  make();
  add("params/fc1/weight", H5T_IEEE_F32LE, {2, 3}, std::vector<double>(6));
  EXPECT_THAT(error_reading(), AllOf(HasSubstr("params/fc1/bias of shape 2"), HasSubstr("not in the file")));
  add("params/fc1/bias", H5T_IEEE_F32LE, {2}, {1, 2});
  add("params/fc2/bias", H5T_IEEE_F32LE, {2}, {1, 2});
  EXPECT_THAT(error_reading(), AllOf(HasSubstr("params/fc2/bias"), HasSubstr("not in this network")));
}

TEST_F(InitialWeights, OfOtherTypesAreRefused) {
  make();
  add("params/fc1/weight", H5T_STD_I32LE, {2, 3}, std::vector<double>(6));
  add("params/fc1/bias", H5T_IEEE_F32LE, {2}, {1, 2});
  EXPECT_THAT(error_reading(), AllOf(HasSubstr("params/fc1/weight"), HasSubstr("floating-point")));
}

TEST_F(InitialWeights, FromFilesWithoutParametersAreRefused) {
  make();
  EXPECT_THAT(error_reading(), HasSubstr("has no /params"));
  write_bytes(path_, "hello");
  EXPECT_THAT(error_reading(), HasSubstr("not an HDF5 file"));
  write_bytes(path_, "");
  EXPECT_THAT(error_reading(), HasSubstr("is empty"));
  std::filesystem::remove(path_);
  EXPECT_THAT(error_reading(), HasSubstr("No such file"));
}

}  // namespace
}  // namespace convoy
