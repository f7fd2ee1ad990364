// JPEG of every kind that ImageNet has, and the ways in which a file may be damaged.
#include "io/image/decode.hpp"
#include "io/image/encode.hpp"
#include "tests/io/image/image_testing.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using namespace std::literals;
using Coding = JpegRecipe::Coding;

Image decoded(const std::vector<std::byte>& bytes, const DecodeOptions& options = {}) {
  Image image;
  decode_image(bytes, "picture.JPEG", options, image);
  EXPECT_EQ(image.pixels.size(), image.bytes());
  return image;
}

std::string refusal(const std::vector<std::byte>& bytes) {
  return error_of(ExitCode::data, [&] { decoded(bytes); });
}

// Half of 8 bits' quantisation at quality 95, with the chroma halved, stays well below this on soft waves.
constexpr double loss = 2.5;

TEST(Jpeg, ColourComesBackAsWritten) {
  const Image picture = made_up_picture(61, 83, 3);
  const Image image = decoded(make_jpeg(picture));
  EXPECT_EQ(image.height, 61);
  EXPECT_EQ(image.width, 83);
  EXPECT_EQ(image.channels, 3);
  EXPECT_LT(mean_difference(image.pixels, picture.pixels), loss);
  EXPECT_LT(mean_difference(decoded(encode_jpeg(picture, 95)).pixels, picture.pixels), loss);
}

TEST(Jpeg, GreyBecomesThreeEqualChannelsAndColourBecomesItsLuma) {
  const Image grey = made_up_picture(40, 50, 1);
  const auto file = make_jpeg(grey, {.given = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .sampling = 1});
  const Image one = decoded(file, {.channels = 1}), three = decoded(file);
  EXPECT_LT(mean_difference(one.pixels, grey.pixels), loss);
  ASSERT_EQ(three.pixels.size(), 3 * one.pixels.size());
  for (size_t i = 0; i < three.pixels.size(); ++i) ASSERT_EQ(three.pixels[i], one.pixels[i / 3]) << i;

  const Image colour = made_up_picture(40, 50, 3);
  const auto luma_of = [&](size_t i) {
    const uint8_t* rgb = &colour.pixels[3 * i];
    return uint8_t(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] + 0.5);
  };
  std::vector<uint8_t> luma;
  for (size_t i = 0; i < 2000; ++i) luma.push_back(luma_of(i));
  EXPECT_LT(mean_difference(decoded(make_jpeg(colour), {.channels = 1}).pixels, luma), loss);
  const auto stored_as_rgb = make_jpeg(colour, {.stored = JCS_RGB, .sampling = 1});
  EXPECT_LT(mean_difference(decoded(stored_as_rgb, {.channels = 1}).pixels, luma), loss);
  EXPECT_LT(mean_difference(decoded(stored_as_rgb).pixels, colour.pixels), loss);
}

/// A picture as inverted CMYK with black everywhere, and what it is in RGB.
std::pair<Image, std::vector<uint8_t>> cmyk_picture(int black) {
  const Image rgb = made_up_picture(48, 56, 3);
  Image cmyk{.height = 48, .width = 56, .channels = 4, .pixels = {}};
  std::vector<uint8_t> expected;
  for (size_t i = 0; i < rgb.pixels.size(); i += 3) {
    for (size_t c = 0; c < 3; ++c) {
      cmyk.pixels.push_back(rgb.pixels[i + c]);
      expected.push_back(uint8_t(rgb.pixels[i + c] * black / 255.0 + 0.5));
    }
    cmyk.pixels.push_back(uint8_t(black));
  }
  return {cmyk, expected};
}

TEST(Jpeg, CmykAndYcckAreTakenAsInverted) {
  for (const int black : {255, 130}) {
    const auto [cmyk, expected] = cmyk_picture(black);
    for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK}) {
      const auto file = make_jpeg(cmyk, {.given = JCS_CMYK, .stored = stored, .sampling = 1});
      EXPECT_LT(mean_difference(decoded(file).pixels, expected), loss) << black << " " << stored;
      EXPECT_EQ(decoded(file, {.channels = 1}).pixels.size(), expected.size() / 3);
      EXPECT_EQ(image_info(file, "x").channels, 3);
    }
  }
  // Without Adobe's marker it is CMYK too.
  const auto [cmyk, expected] = cmyk_picture(200);
  const auto bare = make_jpeg(cmyk, {.given = JCS_CMYK, .stored = JCS_CMYK, .sampling = 1, .adobe = false});
  EXPECT_LT(mean_difference(decoded(bare).pixels, expected), loss);
}

TEST(Jpeg, OtherCodingsOfTheSameCoefficientsAreTheSamePixels) {
  const Image picture = made_up_picture(70, 90, 3);
  const Image plain = decoded(make_jpeg(picture));
  EXPECT_EQ(decoded(make_jpeg(picture, {.coding = Coding::progressive})).pixels, plain.pixels);
  EXPECT_EQ(decoded(make_jpeg(picture, {.coding = Coding::arithmetic})).pixels, plain.pixels);
  EXPECT_EQ(decoded(make_jpeg(picture, {.restart_rows = 1})).pixels, plain.pixels);
}

TEST(Jpeg, OddMarkersDoNoHarm) {
  const Image picture = made_up_picture(33, 44, 3);
  const auto file = make_jpeg(picture);
  const Image plain = decoded(file);
  const std::string adobe = "Adobe\0\x64\0\0\0\0\x07"s;  // transform 7 does not exist
  const std::string exif = "Exif\0\0MM\0*\xFF\xFF\xFF\xFF damaged"s;
  EXPECT_EQ(decoded(make_jpeg(picture, {.markers = {{JPEG_APP0 + 1, exif}}})).pixels, plain.pixels);
  EXPECT_EQ(decoded(make_jpeg(picture, {.markers = {{JPEG_APP0 + 14, adobe}}, .jfif = false})).pixels, plain.pixels);
  EXPECT_EQ(decoded(with_inserted(file, find_bytes(file, "\xFF\xDA"), "\x12\x34\x56")).pixels, plain.pixels);
  EXPECT_EQ(decoded(with_inserted(file, file.size() - 2, "\0\x11"s)).pixels, plain.pixels);
  EXPECT_EQ(decoded(with_inserted(file, file.size(), "whatever a camera adds")).pixels, plain.pixels);
  auto version = file;
  version[find_bytes(file, "JFIF") + 5] = std::byte{9};
  EXPECT_EQ(decoded(version).pixels, plain.pixels);
}

TEST(Jpeg, InfoIsTheHeaders) {
  const ImageInfo colour = image_info(make_jpeg(made_up_picture(7, 9, 3)), "x");
  EXPECT_EQ(colour.format, ImageFormat::jpeg);
  EXPECT_EQ(colour.height, 7);
  EXPECT_EQ(colour.width, 9);
  EXPECT_EQ(colour.channels, 3);
  EXPECT_EQ(image_info(encode_jpeg(made_up_picture(7, 9, 1), 80), "x").channels, 1);
}

TEST(Jpeg, ShrinksWhileDecodingAsFarAsTheSideAllows) {
  const Image picture = made_up_picture(400, 640, 3);
  const auto file = make_jpeg(picture);
  const std::pair<int64_t, int64_t> expected[] = {{0, 400},  {101, 400}, {100, 200}, {51, 200},
                                                  {50, 100}, {26, 100},  {25, 50},   {1, 50}};
  for (const auto& [least, height] : expected) {
    const Image image = decoded(file, {.least_side = least});
    EXPECT_EQ(image.height, height) << least;
    EXPECT_EQ(image.width, height * 640 / 400) << least;
  }
  // Each pixel is about the mean of the four it stands for; the hard edge is where it is not.
  const Image half = decoded(file, {.least_side = 100});
  std::vector<uint8_t> means;
  for (size_t y = 0; y < 200; ++y) {
    for (size_t x = 0; x < 320 * 3; ++x) {
      const size_t at = 2 * y * 1920 + x / 3 * 6 + x % 3;
      const int sum =
          picture.pixels[at] + picture.pixels[at + 3] + picture.pixels[at + 1920] + picture.pixels[at + 1923];
      means.push_back(uint8_t((sum + 2) / 4));
    }
  }
  EXPECT_LT(mean_difference(half.pixels, means), loss);
  // A side that does not divide stays whole.
  EXPECT_EQ(decoded(make_jpeg(made_up_picture(402, 640, 3)), {.least_side = 1}).height, 201);
  EXPECT_EQ(decoded(make_jpeg(made_up_picture(400, 641, 3)), {.least_side = 1}).height, 400);
}

TEST(Jpeg, CutOffAnywhereIsRefused) {
  const Image picture = made_up_picture(64, 64, 3);
  for (const Coding coding : {Coding::sequential, Coding::progressive, Coding::arithmetic}) {
    const auto file = make_jpeg(picture, {.restart_rows = coding == Coding::sequential ? 2 : 0, .coding = coding});
    for (size_t tenth = 1; tenth < 10; ++tenth) {
      const std::vector cut(file.begin(), file.begin() + std::ptrdiff_t(file.size() * tenth / 10));
      EXPECT_THAT(refusal(cut), testing::HasSubstr("picture.JPEG: is a damaged JPEG file (")) << tenth;
    }
    for (std::ptrdiff_t missing = 1; missing < 40; ++missing) refusal({file.begin(), file.end() - missing});
  }
  const auto file = make_jpeg(picture);
  EXPECT_THAT(refusal({file.begin(), file.end() - 400}), testing::HasSubstr("libjpeg: Premature end of JPEG file"));
}

TEST(Jpeg, LostDataIsRefusedAlthoughLibjpegOnlyWarns) {
  const Image picture = made_up_picture(64, 64, 3);
  auto file = make_jpeg(picture, {.restart_rows = 1});
  file[find_bytes(file, "\xFF\xD1") + 1] = std::byte{0xD5};  // one restart marker for another
  EXPECT_THAT(refusal(file), testing::HasSubstr("marker 0xd5 instead of RST1"));
  // Ends in the middle of the picture, but properly.
  auto half = make_jpeg(picture);
  half.erase(half.begin() + std::ptrdiff_t(half.size() / 2), half.end() - 2);
  EXPECT_THAT(refusal(half), testing::HasSubstr("premature end of data segment"));
}

TEST(Jpeg, FlippedBytesAreReadOrRefused) {
  const Image picture = made_up_picture(32, 32, 3);
  for (const Coding coding : {Coding::sequential, Coding::progressive}) {
    const auto file = make_jpeg(picture, {.coding = coding});
    int refused = 0;
    for (size_t i = 0; i < file.size(); ++i) {
      auto flipped = file;
      flipped[i] ^= std::byte{0x55};
      Image image;
      try {
        decode_image(flipped, "picture.JPEG", {}, image);
        EXPECT_EQ(image.pixels.size(), image.bytes());
      } catch (const Error& error) {
        ++refused;
        EXPECT_EQ(error.code(), ExitCode::data) << error.what();
      }
    }
    EXPECT_GT(refused, 0);
  }
}

TEST(Jpeg, ALyingHeaderCostsNothing) {
  auto file = make_jpeg(made_up_picture(16, 16, 3));
  const size_t size = find_bytes(file, "\xFF\xC0") + 5;
  const auto claim = [&](int height, int width) {
    for (const auto& [at, value] : {std::pair{size, height}, {size + 2, width}}) {
      file[at] = std::byte(value >> 8);
      file[at + 1] = std::byte(value & 255);
    }
    return refusal(file);
  };
  EXPECT_THAT(claim(65500, 65500), testing::HasSubstr("is 65500x65500 pixels; up to 2^28 are read"));
  EXPECT_THAT(claim(16000, 16000), testing::HasSubstr("bytes cannot hold 16000x16000 pixels"));
  EXPECT_THAT(claim(0, 16), testing::HasSubstr("libjpeg: "));
}

TEST(Jpeg, ScansWithoutEndAreRefused) {
  // One scan of the DC coefficients, then an AC scan again and again.
  std::vector<jpeg_scan_info> scans = {{1, {0}, 0, 0, 0, 0}};
  scans.push_back({1, {0}, 1, 63, 0, 0});
  const Image picture = made_up_picture(64, 64, 1);
  const JpegRecipe recipe{
      .given = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .sampling = 1, .scans = scans.data(), .scan_count = 2};
  auto file = make_jpeg(picture, recipe);
  decoded(file);
  const size_t first = find_bytes(file, "\xFF\xDA");
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  const size_t second = text.find("\xFF\xDA", first + 2);
  const std::string scan(text.substr(second, text.size() - 2 - second));
  for (int i = 0; i < 600; ++i) file = with_inserted(std::move(file), file.size() - 2, scan);
  EXPECT_THAT(refusal(file), testing::HasSubstr("more than 500 scans"));
}

TEST(Jpeg, EncodingRefusesWhatJpegCannotHold) {
  const Image wide{.height = 1, .width = 70000, .channels = 1, .pixels = std::vector<uint8_t>(70000)};
  EXPECT_THAT(error_of(ExitCode::data, [&] { encode_jpeg(wide, 90); }), testing::HasSubstr("70000x1 pixels"));
  const Image wrong{.height = 2, .width = 2, .channels = 3, .pixels = std::vector<uint8_t>(11)};
  error_of(ExitCode::internal, [&] { encode_jpeg(wrong, 90); });
  error_of(ExitCode::internal, [&] { encode_jpeg(made_up_picture(2, 2, 3), 0); });
}

TEST(Jpeg, NoiseOfTheHighestQualityFitsTheBufferOfTheEncoder) {
  Image noise{.height = 67, .width = 45, .channels = 3, .pixels = {}};
  uint32_t state = 1;
  while (noise.pixels.size() < noise.bytes()) {
    state = state * 1664525 + 1013904223;
    noise.pixels.push_back(state >> 31 ? 255 : 0);
  }
  const auto file = encode_jpeg(noise, 100);
  EXPECT_EQ(decoded(file).width, 45);
  EXPECT_LT(encode_jpeg(noise, 20).size(), file.size());
}

}  // namespace
}  // namespace convoy
