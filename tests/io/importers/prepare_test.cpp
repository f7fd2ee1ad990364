// What becomes of one picture on its way into a shard.
#include "io/importers/prepare.hpp"

#include "io/image/decode.hpp"
#include "io/image/encode.hpp"
#include "io/image/resize.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// A slope, which survives JPEG well.
Image slope(int64_t height, int64_t width, int64_t channels) {
  Image image{.height = height, .width = width, .channels = channels};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < channels; ++c) image.pixels.push_back(static_cast<uint8_t>(40 + x + y + 20 * c));
    }
  }
  return image;
}

Prepared prepare_pixels(const Image& image, const PrepareOptions& options) {
  PrepareScratch scratch;
  scratch.sample.image = image;
  Prepared prepared;
  prepare(scratch, "name", options, prepared);
  return prepared;
}

Prepared prepare_file(const std::vector<std::byte>& file, PrepareOptions options) {
  options.from = Encoding::jpeg;
  PrepareScratch scratch;
  scratch.sample.encoded = file;
  Prepared prepared;
  prepare(scratch, "name", options, prepared);
  return prepared;
}

TEST(Prepare, PixelsThatFitStayAsTheyAre) {
  const Image image = slope(5, 7, 2);
  EXPECT_EQ(prepare_pixels(image, {.height = 5, .width = 7, .channels = 2}).pixels.pixels, image.pixels);
}

TEST(Prepare, ConvertsChannels) {
  const Prepared rgb = prepare_pixels(slope(2, 3, 1), {.height = 2, .width = 3, .channels = 3});
  EXPECT_EQ(rgb.pixels.channels, 3);
  EXPECT_THAT(std::vector<uint8_t>(rgb.pixels.pixels.begin(), rgb.pixels.pixels.begin() + 6),
              testing::ElementsAre(40, 40, 40, 41, 41, 41));
  Image red{.height = 1, .width = 1, .channels = 3, .pixels = {255, 0, 0}};
  EXPECT_EQ(prepare_pixels(red, {.height = 1, .width = 1, .channels = 1}).pixels.pixels[0], 76);  // 0.299 * 255
}

TEST(Prepare, RawPicturesAreResizedToCoverAndCutInTheMiddle) {
  const Image image = slope(40, 60, 3);
  const Prepared square = prepare_file(encode_png(image), {.height = 20, .width = 20, .resize = true});
  Image resized;
  resize_shorter_side(image, 20, resized);
  ASSERT_EQ(resized.width, 30);
  ASSERT_EQ(square.pixels.pixels.size(), 20u * 20 * 3);
  for (size_t y = 0; y < 20; ++y) {
    for (size_t x = 0; x < 60; ++x) {
      EXPECT_EQ(square.pixels.pixels[y * 60 + x], resized.pixels[y * 90 + 15 + x]) << y << " " << x;
    }
  }
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{8, 31}, {50, 11}, {64, 90}, {1, 1}}) {
    const Prepared other = prepare_file(encode_png(image), {.height = height, .width = width, .resize = true});
    EXPECT_EQ(other.pixels.height, height);
    EXPECT_EQ(other.pixels.width, width);
    EXPECT_EQ(other.pixels.pixels.size(), other.pixels.bytes());
  }
}

TEST(Prepare, FilesThatFitStayByteForByte) {
  for (const auto& file : {encode_jpeg(slope(24, 30, 3), 60), encode_png(slope(24, 30, 1))}) {
    for (const int64_t side : {0, 24}) {
      const Prepared kept = prepare_file(file, {.to = Encoding::jpeg, .height = side, .resize = side > 0});
      EXPECT_EQ(kept.encoded, file);
      EXPECT_EQ(kept.pixels.pixels.size(), 24u * 30 * 3);
    }
  }
}

TEST(Prepare, OthersAreResizedByTheirShorterSideAndEncoded) {
  const Prepared made = prepare_file(encode_jpeg(slope(48, 96, 3), 95),
                                     {.to = Encoding::jpeg, .height = 24, .resize = true, .quality = 90});
  const ImageInfo info = image_info(made.encoded, "made");
  EXPECT_EQ(info.format, ImageFormat::jpeg);
  EXPECT_EQ(info.height, 24);
  EXPECT_EQ(info.width, 48);
  Image decoded;
  decode_image(made.encoded, "made", {}, decoded);
  EXPECT_EQ(made.pixels.pixels, decoded.pixels) << "mean and deviation are of what a reader will see";
}

TEST(Prepare, AnotherSizeIsRefusedWhereNothingIsResized) {
  EXPECT_THAT(error_of(ExitCode::usage, [] { prepare_file(encode_png(slope(4, 6, 3)), {.height = 4, .width = 5}); }),
              AllOf(HasSubstr("name: is 4x6"), HasSubstr("4x5 was expected"), HasSubstr("--size")));
}

TEST(Prepare, BatchesOfPixelsStayBelowAMiB) {
  EXPECT_EQ(samples_at_a_time({}, 28 * 28), 64);
  EXPECT_EQ(samples_at_a_time({}, 256 * 256 * 3), 5);
  EXPECT_EQ(samples_at_a_time({}, 4000 * 4000 * 3), 1);
  EXPECT_EQ(samples_at_a_time({.height = 512, .width = 512, .resize = true}, 28 * 28), 1);
  EXPECT_EQ(samples_at_a_time({.from = Encoding::jpeg}, 0), 2);
}

TEST(Prepare, BrokenFilesAreRefusedEvenWhereOnlyBytesAreKept) {
  std::vector<std::byte> file = encode_jpeg(slope(64, 64, 3), 95);
  file.resize(file.size() / 2);
  EXPECT_THAT(error_of(ExitCode::data, [&] { prepare_file(file, {.to = Encoding::jpeg}); }),
              testing::StartsWith("name: is a damaged JPEG"));
}

}  // namespace
}  // namespace convoy
