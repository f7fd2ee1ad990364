// HDF5 files that others made: opened where they can be read by offset, refused with the reason where they cannot.
#include "io/shard/dataset.hpp"
#include "tests/io/shard/foreign_file.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(ForeignShard, OpensPlainImagesAndLabels) {
  make([](hid_t file) {
    add_images(file);
    add_labels(file, {2, 0, 1});
  });
  const Dataset dataset(folder_.path());
  EXPECT_EQ(dataset.size(), 3);
  EXPECT_EQ(dataset.image(), (Shape{2, 2, 1}));
  EXPECT_EQ(dataset.class_count(), 3);
  EXPECT_THAT(dataset.header().classes, IsEmpty());
  EXPECT_THAT(dataset.header().mean, IsEmpty());
  EXPECT_FALSE(dataset.shards().front()->has_checksums());
  EXPECT_FALSE(dataset.shards().front()->through_hdf5());
  EXPECT_EQ(dataset.notice(), "");
  std::vector<uint8_t> images(8);
  std::vector<int32_t> labels(2);
  dataset.read(1, 2, images.data(), labels.data());
  EXPECT_THAT(images, ElementsAre(4, 5, 6, 7, 8, 9, 10, 11));
  EXPECT_THAT(labels, ElementsAre(0, 1));
}

TEST_F(ForeignShard, OpensImagesWithoutChannelsAndOtherIntegerLabels) {
  for (const hid_t type : {H5T_STD_I64LE, H5T_STD_U8LE, H5T_STD_I32BE}) {
    make([&](hid_t file) {
      add_images(file, {3, 2, 2});
      add_labels(file, {2, 0, 1}, type);
    });
    const ShardReader shard(path_);
    EXPECT_EQ(shard.header().image, (Shape{2, 2, 1}));
    EXPECT_THAT(shard.labels(), ElementsAre(2, 0, 1));
  }
}

TEST_F(ForeignShard, NamesWhatItHoldsInOneLine) {
  const std::string message = error_for([](hid_t file) { add(file, "first\nsecond", H5T_STD_U8LE, {3}); });
  EXPECT_THAT(message, HasSubstr("has no \"images\", only first?second; "));
}

TEST_F(ForeignShard, OpensOnesWithAUserBlock) {
  {
    const hdf5::Session session;
    const hdf5::Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
    H5Pset_userblock(creation.get(), 1024);
    const hdf5::Handle file(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, creation.get(), H5P_DEFAULT), H5Fclose);
    add_images(file.get());
    add_labels(file.get(), {2, 0, 1});
  }
  const ShardReader shard(path_);
  std::vector<uint8_t> image(4);
  shard.read(2, image.data());
  EXPECT_THAT(image, ElementsAre(8, 9, 10, 11));
  const auto size = std::filesystem::file_size(path_);
  std::filesystem::resize_file(path_, size - 1);
  EXPECT_THAT(error_of(ExitCode::data, [&] { ShardReader reader(path_); }),
              HasSubstr(std::to_string(size - 1) + " bytes of " + std::to_string(size)));
}

TEST_F(ForeignShard, AllFilesOfAFolderAreOneDataset) {
  make([](hid_t file) {
    add_images(file);
    add_labels(file, {2, 0, 1});
  });
  std::filesystem::copy_file(path_, folder_ / "b.h5");
  const Dataset dataset(folder_.path());
  EXPECT_EQ(dataset.size(), 6);
}

TEST_F(ForeignShard, RefusesWhatIsNoDataset) {
  EXPECT_THAT(error_for([](hid_t) {}), HasSubstr("it has no \"images\""));
  EXPECT_THAT(error_for([](hid_t file) { add_images(file); }), HasSubstr("it has no \"labels\""));
  EXPECT_THAT(error_for([](hid_t file) { hdf5::Handle(H5Gcreate2(file, "params", 0, 0, 0), H5Gclose); }),
              HasSubstr("parameters, not images"));
}

TEST_F(ForeignShard, RefusesOtherTypesAndShapes) {
  for (const hid_t type : {H5T_STD_I8LE, H5T_STD_U16LE, H5T_STD_I32BE}) {
    EXPECT_THAT(error_for([&](hid_t file) {
                  add(file, "images", type, {3, 2, 2, 1});
                  add_labels(file, {2, 0, 1});
                }),
                HasSubstr("not uint8 or floats"));
  }
  for (const char* name : {"images", "data"}) {
    for (const Dims& dims : {Dims{12}, Dims{3, 1, 2, 2, 1}, Dims{0, 2, 2, 1}, Dims{3, 2, 0, 1}}) {
      EXPECT_THAT(error_for([&](hid_t file) {
                    add(file, name, H5T_STD_U8LE, dims);
                    add_labels(file, {2, 0, 1});
                  }),
                  HasSubstr(std::string(name) + " has shape"));
    }
  }
  EXPECT_THAT(error_for([&](hid_t file) {
                add(file, "images", H5T_STD_U8LE, {3, 4});
                add_labels(file, {2, 0, 1});
              }),
              HasSubstr("(N,H,W,C) or (N,H,W)"));
}

TEST_F(ForeignShard, RefusesLabelsThatAreNotOneWholeNumberEach) {
  EXPECT_THAT(error_for([](hid_t file) {
                add_images(file);
                const hdf5::Handle made = add(file, "labels", H5T_IEEE_F32LE, {3});
                const std::vector<float> labels = {0, 1.5, 2};
                H5Dwrite(made.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, labels.data());
              }),
              AllOf(HasSubstr("row 1 is 1.5"), HasSubstr("no whole number")));
  EXPECT_THAT(error_for([](hid_t file) {
                add_images(file);
                add(file, "labels", H5T_STD_I32LE, {3, 2});
              }),
              AllOf(HasSubstr("not numbers in one dimension"), HasSubstr("3x2")));
  EXPECT_THAT(error_for([](hid_t file) {
                add_images(file);
                const hdf5::Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
                add(file, "labels", text.get(), {3});
              }),
              HasSubstr("not numbers in one dimension"));
}

TEST_F(ForeignShard, RefusesCountsThatDisagree) {
  EXPECT_THAT(error_for([](hid_t file) {
                add_images(file);
                add_labels(file, {2, 0});
              }),
              AllOf(HasSubstr("3 images"), HasSubstr("2 labels")));
}

TEST_F(ForeignShard, RefusesLabelsOutOfRange) {
  EXPECT_THAT(error_for([](hid_t file) {
                add_images(file);
                add_labels(file, {2, -4, 1});
              }),
              AllOf(HasSubstr("row 1 is -4"), HasSubstr("outside 0 to")));
  EXPECT_THAT(error_for([](hid_t file) {
                add_images(file);
                add_labels(file, {0, 1, int64_t{1} << 32}, H5T_STD_I64LE);
              }),
              HasSubstr("row 2 is 4294967296"));
  EXPECT_THAT(error_for([](hid_t file) {
                add_images(file);
                add_labels(file, {0, 1, 2});
                const hdf5::Handle space(H5Screate(H5S_SCALAR), H5Sclose);
                const hdf5::Handle attribute(
                    H5Acreate2(file, "class_count", H5T_STD_I64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
                const int64_t classes = 2;
                H5Awrite(attribute.get(), H5T_NATIVE_INT64, &classes);
              }),
              HasSubstr("row 2 is 2, outside 0 to 1"));
}

TEST_F(ForeignShard, RefusesOtherFormatsAndVersions) {
  const auto with_format = [](const std::string& format, int64_t version) {
    return [=](hid_t id) {
      add_images(id);
      add_labels(id, {0, 1, 2});
      const hdf5::File file{hdf5::Handle(id, [](hid_t) -> herr_t { return 0; }), "test"};
      hdf5::write_attribute(file, "/", "format", format);
      hdf5::write_attribute(file, "/", "version", version);
    };
  };
  EXPECT_THAT(error_for(with_format("other", 1)), HasSubstr("the format \"other\""));
  EXPECT_THAT(error_for(with_format("convoy-shard", 3)), AllOf(HasSubstr("version 3"), HasSubstr("newer Convoy")));
  for (const int64_t version : {1, 2}) {
    EXPECT_THAT(error_for(with_format("convoy-shard", version)), HasSubstr("crc32c, is missing"));
  }
}

}  // namespace
}  // namespace convoy
