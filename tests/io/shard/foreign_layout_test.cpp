// HDF5 files that others made, in every layout: the same pixels come out, by offset or through HDF5.
#include "io/shard/dataset.hpp"
#include "tests/io/shard/foreign_file.hpp"
#include "tests/support/test_data.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// Images 0 .. N - 1 as (N,H,W,C) numbers below 251, so that a shifted or turned image differs.
std::vector<float> pixels_of(const Dims& dims) {
  hsize_t count = 1;
  for (const hsize_t dim : dims) count *= dim;
  std::vector<float> pixels(count);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i * 7 % 251);
  return pixels;
}

std::vector<float> channels_first(const std::vector<float>& pixels, const Dims& nhwc) {
  const size_t places = nhwc[1] * nhwc[2], channels = nhwc[3];
  std::vector<float> out(pixels.size());
  for (size_t n = 0; n < nhwc[0]; ++n) {
    for (size_t place = 0; place < places; ++place) {
      for (size_t c = 0; c < channels; ++c) {
        out[(n * channels + c) * places + place] = pixels[(n * places + place) * channels + c];
      }
    }
  }
  return out;
}

class ForeignLayout : public ForeignShard {
 protected:
  struct Spec {
    const char* name = "images";
    Dims dims{};  // as stored
    hid_t type = H5T_STD_U8LE;
    Dims chunk{};  // empty: contiguous
    bool gzip = false, shuffle = false;
  };

  static void add_pixels(hid_t file, const Spec& spec, const std::vector<float>& pixels) {
    const hdf5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    if (!spec.chunk.empty()) H5Pset_chunk(creation.get(), static_cast<int>(spec.chunk.size()), spec.chunk.data());
    if (spec.shuffle) H5Pset_shuffle(creation.get());
    if (spec.gzip) H5Pset_deflate(creation.get(), 4);
    const hdf5::Handle made = add(file, spec.name, spec.type, spec.dims, creation.get());
    H5Dwrite(made.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, pixels.data());
  }

  void make_pixels(const Spec& spec, const std::vector<float>& pixels) {
    make([&](hid_t file) {
      add_pixels(file, spec, pixels);
      add_labels(file, std::vector<int64_t>(spec.dims.front(), 1));
    });
  }

  /// Reads all images, one by one and two at once, held in memory and not.
  void expect_pixels(const std::vector<float>& expected) {
    for (const uint64_t held : {uint64_t{0}, uint64_t{1} << 20}) {
      const Dataset dataset(folder_.path(), {.held_bytes = held});
      const auto image = static_cast<size_t>(dataset.image().count());
      ASSERT_EQ(static_cast<size_t>(dataset.size()) * image, expected.size());
      for (int64_t begin = dataset.size() - 1; begin >= 0; --begin) {
        for (int64_t count = 1; count <= 2 && begin + count <= dataset.size(); ++count) {
          std::vector<std::byte> bytes(static_cast<size_t>(count) * dataset.image_bytes());
          std::vector<int32_t> labels(2);
          dataset.read(begin, count, bytes.data(), labels.data());
          for (size_t i = 0; i < static_cast<size_t>(count) * image; ++i) {
            const float found = dataset.dtype() == DType::u8 ? static_cast<float>(bytes[i])
                                                             : reinterpret_cast<const float*>(bytes.data())[i];
            ASSERT_EQ(found, expected[static_cast<size_t>(begin) * image + i]) << begin << " " << i;
          }
        }
      }
    }
  }
};

TEST_F(ForeignLayout, ChunkedAndPacked) {
  const Dims dims = {5, 12, 10, 3};
  const std::vector<float> pixels = pixels_of(dims);
  for (const Dims& chunk : {Dims{1, 12, 10, 3}, Dims{2, 12, 10, 3}, Dims{3, 5, 7, 2}, dims}) {
    for (const bool packed : {false, true}) {
      make_pixels({.dims = dims, .chunk = chunk, .gzip = packed, .shuffle = packed}, pixels);
      expect_pixels(pixels);
      const Dataset held(folder_.path()), read(folder_.path(), {.held_bytes = 0});
      EXPECT_EQ(held.dtype(), DType::u8);
      EXPECT_THAT(held.notice(), AllOf(HasSubstr(path_ + ": images are chunked"), HasSubstr("held in memory")));
      EXPECT_THAT(read.notice(), AllOf(HasSubstr("one thread at a time"), HasSubstr("convoy import hdf5")));
      EXPECT_EQ(read.notice().find("shuffle, gzip") != std::string::npos, packed) << read.notice();
      EXPECT_EQ(read.notice().find(" images for each one") != std::string::npos, chunk[0] > 1) << read.notice();
    }
  }
}

TEST_F(ForeignLayout, FloatsOfEitherSizeAndOrder) {
  const Dims dims = {3, 4, 5, 3};
  const std::vector<float> pixels = pixels_of(dims);
  for (const hid_t type : {H5T_IEEE_F32LE, H5T_IEEE_F32BE, H5T_IEEE_F64LE, H5T_IEEE_F64BE}) {
    make_pixels({.dims = dims, .type = type}, pixels);
    expect_pixels(pixels);
    const ShardReader shard(path_);
    EXPECT_EQ(shard.header().dtype, DType::f32);
    EXPECT_EQ(shard.through_hdf5(), H5Tequal(type, H5T_IEEE_F32LE) == 0);
    EXPECT_THAT(shard.notice(), HasSubstr("pixels are floats"));
  }
}

TEST_F(ForeignLayout, CaffesDataIsChannelsFirst) {
  const Dims nhwc = {4, 3, 5, 2}, nchw = {4, 2, 3, 5};
  const std::vector<float> pixels = pixels_of(nhwc);
  for (const hid_t type : {H5T_STD_U8LE, H5T_IEEE_F32LE}) {
    for (const Dims& chunk : {Dims{}, Dims{3, 1, 2, 2}}) {
      make_pixels({.name = "data", .dims = nchw, .type = type, .chunk = chunk, .gzip = !chunk.empty()},
                  channels_first(pixels, nhwc));
      EXPECT_EQ(ShardReader(path_).header().image, (Shape{3, 5, 2}));
      expect_pixels(pixels);
      EXPECT_THAT(ShardReader(path_).notice(), HasSubstr("data 4x2x3x5 are taken for (N,C,H,W)"));
    }
  }
}

TEST_F(ForeignLayout, WithOneChannelTheOrderIsTheSameAndNeedsNoHdf5) {
  const std::vector<float> pixels = pixels_of({4, 3, 5, 1});
  for (const Dims& dims : {Dims{4, 1, 3, 5}, Dims{4, 3, 5}}) {
    make_pixels({.name = "data", .dims = dims}, pixels);
    EXPECT_EQ(ShardReader(path_).header().image, (Shape{3, 5, 1}));
    EXPECT_FALSE(ShardReader(path_).through_hdf5());
    expect_pixels(pixels);
  }
  make_pixels({.name = "data", .dims = {4, 15}}, pixels);
  EXPECT_EQ(ShardReader(path_).header().image, (Shape{1, 1, 15}));
  expect_pixels(pixels);
}

TEST_F(ForeignLayout, ImagesAreChannelsFirstOnlyWhereNothingElseMakesSense) {
  const auto image_for = [&](const Dims& dims) {
    make_pixels({.dims = dims}, pixels_of(dims));
    return ShardReader(path_).header().image;
  };
  EXPECT_EQ(image_for({2, 3, 8, 9}), (Shape{8, 9, 3}));
  EXPECT_EQ(image_for({2, 1, 8, 9}), (Shape{8, 9, 1}));
  EXPECT_EQ(image_for({2, 3, 8, 3}), (Shape{3, 8, 3}));
  EXPECT_EQ(image_for({2, 3, 4, 4}), (Shape{3, 4, 4}));
  EXPECT_EQ(image_for({2, 8, 8, 8}), (Shape{8, 8, 8}));
}

TEST_F(ForeignLayout, CompactAndExternalDataComeThroughHdf5) {
  const std::vector<float> pixels = pixels_of({3, 2, 2, 1});
  for (const bool external : {false, true}) {
    make([&](hid_t file) {
      const hdf5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
      if (external) {
        H5Pset_external(creation.get(), (folder_ / "raw").c_str(), 0, 12);
      } else {
        H5Pset_layout(creation.get(), H5D_COMPACT);
      }
      const hdf5::Handle made = add(file, "images", H5T_STD_U8LE, {3, 2, 2, 1}, creation.get());
      H5Dwrite(made.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, pixels.data());
      add_labels(file, {2, 0, 1});
    });
    expect_pixels(pixels);
    EXPECT_TRUE(ShardReader(path_).through_hdf5());
  }
}

TEST_F(ForeignLayout, LabelsOfAnyIntegerTypeOrWholeFloatsInAColumn) {
  for (const hid_t type : {H5T_STD_I8LE, H5T_STD_U8LE, H5T_STD_U16BE, H5T_STD_I32BE, H5T_STD_I64BE, H5T_STD_U64LE,
                           H5T_IEEE_F32LE, H5T_IEEE_F64BE}) {
    for (const Dims& dims : {Dims{3}, Dims{3, 1}, Dims{3, 1, 1, 1}}) {
      make([&](hid_t file) {
        add_images(file);
        const hdf5::Handle made = add(file, "label", type, dims);
        const std::vector<int> labels = {2, 0, 9};
        H5Dwrite(made.get(), H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, labels.data());
      });
      const ShardReader shard(path_);
      EXPECT_THAT(shard.labels(), ElementsAre(2, 0, 9));
      EXPECT_EQ(shard.header().class_count, 10);
    }
  }
}

TEST_F(ForeignLayout, BytesAndOffsetsAreEncodedImages) {
  for (const bool chunked : {false, true}) {
    make([&](hid_t file) {
      add_pixels(file, {.name = "bytes", .dims = {10}, .chunk = chunked ? Dims{4} : Dims{}}, pixels_of({10}));
      const hdf5::Handle made = add(file, "offsets", H5T_STD_I64BE, {4});
      const std::vector<int64_t> offsets = {0, 3, 8, 10};
      H5Dwrite(made.get(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, offsets.data());
      add_labels(file, {2, 0, 1});
    });
    const ShardReader shard(path_);
    EXPECT_EQ(shard.header().encoding, Encoding::jpeg);
    EXPECT_EQ(shard.through_hdf5(), chunked);
    std::vector<std::byte> encoded;
    shard.read_encoded(1, encoded);
    EXPECT_THAT(encoded, ElementsAre(std::byte{21}, std::byte{28}, std::byte{35}, std::byte{42}, std::byte{49}));
  }
}

TEST_F(ForeignLayout, OffsetsThatDoNotRiseAreRefused) {
  for (const std::vector<int64_t>& offsets :
       {std::vector<int64_t>{0, 8, 3, 10}, {1, 3, 8, 10}, {0, 3, 8, 11}, {0, 3, 12, 10}}) {
    EXPECT_THAT(error_for([&](hid_t file) {
                  add_pixels(file, {.name = "bytes", .dims = {10}}, pixels_of({10}));
                  const hdf5::Handle made = add(file, "offsets", H5T_STD_I64LE, {4});
                  H5Dwrite(made.get(), H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, offsets.data());
                  add_labels(file, {2, 0, 1});
                }),
                HasSubstr("offsets do not rise from 0 to its 10 bytes"));
  }
}

// Caffe's own, src/caffe/test/test_data: 10 images of (8,6,5) that count up from 0 and from 2400, labels 1 to 10.
TEST(CaffesHdf5, FixturesOpenAsTheyAre) {
  const std::string folder = test_data() + "/caffe-hdf5";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there (CONVOY_TEST_DATA)";
  for (const auto& [name, first] : {std::pair{"sample_data.h5", 0}, {"sample_data_2_gzip.h5", 2400}}) {
    const Dataset dataset(folder + "/" + name);
    EXPECT_EQ(dataset.size(), 10);
    EXPECT_EQ(dataset.image(), (Shape{6, 5, 8}));
    std::vector<float> image(240);
    int32_t label = 0;
    for (int64_t sample = 0; sample < 10; ++sample) {
      dataset.read_one(sample, image.data(), &label);
      EXPECT_EQ(label, sample + 1);
      for (int64_t h = 0; h < 6; ++h) {
        for (int64_t w = 0; w < 5; ++w) {
          for (int64_t c = 0; c < 8; ++c) {
            ASSERT_EQ(image[static_cast<size_t>((h * 5 + w) * 8 + c)],
                      static_cast<float>(first + sample * 240 + (c * 6 + h) * 5 + w));
          }
        }
      }
    }
  }
  EXPECT_THAT(error_of(ExitCode::data, [&] { Dataset dataset(folder + "/solver_data.h5"); }),
              HasSubstr("no whole number"));
}

}  // namespace
}  // namespace convoy
