// PNG of every colour type and depth, and damaged ones; and what is neither JPEG nor PNG.
#include "io/image/decode.hpp"
#include "io/image/encode.hpp"
#include "tests/io/image/image_testing.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using namespace std::literals;

constexpr int64_t height = 19, width = 23;

Image decoded(const std::vector<std::byte>& bytes, const DecodeOptions& options = {}) {
  Image image;
  decode_image(bytes, "picture.png", options, image);
  EXPECT_EQ(image.pixels.size(), image.bytes());
  return image;
}

std::string refusal(const std::vector<std::byte>& bytes) {
  return error_of(ExitCode::data, [&] { decoded(bytes); });
}

uint8_t sample(size_t i, int depth) {
  return uint8_t(i * 37 + i / 23) & uint8_t((1 << depth) - 1);
}

/// `per_pixel` samples for each pixel; at 16 bits the low byte is noise that must not show.
std::vector<uint8_t> samples(int per_pixel, int depth) {
  std::vector<uint8_t> all;
  for (size_t i = 0; i < size_t(height * width * per_pixel); ++i) {
    all.push_back(sample(i, std::min(depth, 8)));
    if (depth == 16) all.push_back(uint8_t(200 + i % 50));
  }
  return all;
}

void expect_pixels(const PngRecipe& recipe, int per_pixel, const std::function<uint8_t(size_t, size_t)>& channel) {
  for (const int interlace : {PNG_INTERLACE_NONE, PNG_INTERLACE_ADAM7}) {
    PngRecipe one = recipe;
    one.interlace = interlace;
    const Image image = decoded(make_png(height, width, samples(per_pixel, recipe.depth), one));
    ASSERT_EQ(image.height, height);
    ASSERT_EQ(image.width, width);
    ASSERT_EQ(image.channels, 3);
    for (size_t i = 0; i < image.pixels.size(); ++i) {
      ASSERT_EQ(image.pixels[i], channel(i / 3, i % 3))
          << i << " colour type " << recipe.colour_type << " depth " << recipe.depth << " interlace " << interlace;
    }
  }
}

TEST(Png, EveryColourTypeAndDepthBecomesRgb) {
  for (const int depth : {1, 2, 4, 8, 16}) {
    const int bits = std::min(depth, 8), largest = (1 << bits) - 1;
    expect_pixels({.colour_type = PNG_COLOR_TYPE_GRAY, .depth = depth}, 1,
                  [&](size_t i, size_t) { return uint8_t(sample(i, bits) * 255 / largest); });
  }
  for (const int depth : {8, 16}) {
    expect_pixels({.colour_type = PNG_COLOR_TYPE_GRAY_ALPHA, .depth = depth}, 2,
                  [](size_t i, size_t) { return sample(2 * i, 8); });
    expect_pixels({.colour_type = PNG_COLOR_TYPE_RGB, .depth = depth}, 3,
                  [](size_t i, size_t c) { return sample(3 * i + c, 8); });
    expect_pixels({.colour_type = PNG_COLOR_TYPE_RGB_ALPHA, .depth = depth}, 4,
                  [](size_t i, size_t c) { return sample(4 * i + c, 8); });
  }
  for (const int depth : {1, 2, 4, 8}) {
    PngRecipe recipe{.colour_type = PNG_COLOR_TYPE_PALETTE, .depth = depth};
    for (int i = 0; i < 1 << depth; ++i)
      recipe.palette.push_back({png_byte(i * 3), png_byte(255 - i), png_byte(i ^ 90)});
    const auto colour = [&](size_t i, size_t c) {
      const png_color& entry = recipe.palette[sample(i, depth)];
      return c == 0 ? entry.red : c == 1 ? entry.green : entry.blue;
    };
    expect_pixels(recipe, 1, colour);
    recipe.transparent = {0, 128};  // dropped, as alpha is
    expect_pixels(recipe, 1, colour);
  }
}

TEST(Png, GreyStaysAsItIsAndColourBecomesItsLuma) {
  const Image grey = made_up_picture(12, 15, 1), colour = made_up_picture(12, 15, 3);
  const auto grey_file = encode_png(grey), colour_file = encode_png(colour);
  EXPECT_EQ(decoded(grey_file, {.channels = 1}).pixels, grey.pixels);
  EXPECT_EQ(decoded(colour_file).pixels, colour.pixels);
  const Image luma = decoded(colour_file, {.channels = 1});
  ASSERT_EQ(luma.channels, 1);
  for (size_t i = 0; i < luma.pixels.size(); ++i) {
    const uint8_t* rgb = &colour.pixels[3 * i];
    ASSERT_NEAR(luma.pixels[i], 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2], 0.51) << i;
  }
  EXPECT_EQ(image_info(grey_file, "x").channels, 1);
  const ImageInfo info = image_info(colour_file, "x");
  EXPECT_EQ(info.format, ImageFormat::png);
  EXPECT_EQ(info.height, 12);
  EXPECT_EQ(info.width, 15);
  EXPECT_EQ(info.channels, 3);
}

TEST(Png, CutOffAnywhereIsRefused) {
  for (const int interlace : {PNG_INTERLACE_NONE, PNG_INTERLACE_ADAM7}) {
    const auto file = make_png(height, width, samples(3, 8), {.interlace = interlace});
    for (size_t tenth = 1; tenth < 10; ++tenth) {
      const std::vector cut(file.begin(), file.begin() + std::ptrdiff_t(file.size() * tenth / 10));
      EXPECT_THAT(refusal(cut), testing::HasSubstr("picture.png: is a damaged PNG file (libpng: it is cut off)"));
    }
    for (std::ptrdiff_t missing = 1; missing < 30; ++missing) refusal({file.begin(), file.end() - missing});
  }
}

TEST(Png, NoFlippedByteChangesAPixelUnnoticed) {
  const auto file = make_png(height, width, samples(3, 8), {});
  const Image whole = decoded(file);
  for (size_t i = 0; i < file.size(); ++i) {
    auto flipped = file;
    flipped[i] ^= std::byte{0x41};
    Image image;
    try {
      decode_image(flipped, "picture.png", {}, image);
      EXPECT_EQ(image.pixels, whole.pixels) << i;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data) << error.what();
    }
  }
}

/// A header with its checksum, and nothing else that is right.
std::vector<std::byte> header_only(uint32_t high, uint32_t wide) {
  auto file = make_png(1, 1, {0, 0, 0}, {});
  const auto put = [&](size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) file[at + i] = std::byte(value >> (24 - 8 * i));
  };
  put(16, wide);
  put(20, high);
  repair_png(reinterpret_cast<uint8_t*>(file.data()), file.size());
  return file;
}

TEST(Png, ALyingHeaderCostsNothing) {
  EXPECT_THAT(refusal(header_only(1 << 20, 1 << 20)), testing::HasSubstr("up to 2^28 are read"));
  EXPECT_THAT(refusal(header_only(1, 1 << 28)), testing::HasSubstr("up to 2^20 along a side"));
  EXPECT_THAT(refusal(header_only(16000, 16000)), testing::HasSubstr("bytes cannot hold 16000x16000 pixels"));
  EXPECT_THAT(refusal(header_only(0, 5)), testing::HasSubstr("libpng: "));
}

TEST(Picture, IsKnownByItsBytesAndNotByItsName) {
  const Image picture = made_up_picture(5, 6, 3);
  Image image;
  decode_image(encode_png(picture), "n01440764_1.JPEG", {}, image);
  EXPECT_EQ(image.pixels, picture.pixels);
}

TEST(Picture, WhatIsNoneIsNamed) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "empty (0 bytes)"},
      {"\n <!DOCTYPE HTML><p>404 Not Found", "an HTML page"},
      {"\xEF\xBB\xBF<HTML><body>", "an HTML page"},
      {"<?xml version='1.0'?><svg/>", "an SVG drawing"},
      {"<?xml version='1.0'?><Error/>", "XML"},
      {"GIF89a\1\0\1\0", "a GIF file"},
      {"RIFF\x24\0\0\0WEBPVP8 "s, "a WebP file"},
      {"BM\x36\0\0\0"s, "a BMP file"},
      {"II*\0\x08\0\0\0"s, "a TIFF file"},
      {"\0\0\0\x20"s + "ftypavif", "an AVIF file"},
      {"\x1F\x8B\x08\0"s, "gzipped"},
      {"\x89PNG\n\x1A\n", "a PNG file changed on its way"},
      {"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"},
      {"no such file", "text"},
      {std::string(100, '\0'), "nothing but zero bytes"},
      {"\xFF\xFE\x01", "a file that starts with 0xFFFE01"},
  };
  for (const auto& [bytes, what] : cases) {
    EXPECT_THAT(refusal(as_bytes(bytes)), testing::StartsWith("picture.png: is no JPEG or PNG picture but "s + what));
    error_of(ExitCode::data, [&] { image_info(as_bytes(bytes), "x"); });
  }
}

TEST(Png, EncodingRefusesWhatIsNoPicture) {
  error_of(ExitCode::internal, [] { encode_png(Image{}); });
  error_of(ExitCode::internal, [] { encode_png({.height = 1, .width = 1, .channels = 2, .pixels = {1, 2}}); });
}

}  // namespace
}  // namespace convoy
