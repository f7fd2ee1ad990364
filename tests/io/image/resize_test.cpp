// Resampling against its definition in doubles, and the sizes and boxes of torchvision.
#include "io/image/resize.hpp"

#include <cmath>

#include "tests/io/image/image_testing.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

/// Weight of input j for output i, not normalised.
double triangle(int64_t i, int64_t j, int64_t from, int64_t to) {
  const double scale = double(from) / double(to);
  return std::max(0.0, 1 - std::abs((double(i) + 0.5) * scale - (double(j) + 0.5)) / std::max(1.0, scale));
}

/// The sum over the whole box, without a thought for speed.
double expected(const Image& from, const Box& box, int64_t y, int64_t x, int64_t c, const Image& to) {
  double sum = 0, weights = 0;
  for (int64_t v = 0; v < box.height; ++v) {
    const double down = triangle(y, v, box.height, to.height);
    if (down == 0) continue;
    for (int64_t u = 0; u < box.width; ++u) {
      const double weight = down * triangle(x, u, box.width, to.width);
      sum += weight * from.pixels[size_t(((box.top + v) * from.width + box.left + u) * from.channels + c)];
      weights += weight;
    }
  }
  return sum / weights;
}

struct Case {
  Box box;
  int64_t height, width;
};

TEST(Resize, IsTheTriangleFilter) {
  const Case cases[] = {
      {{.top = 0, .left = 0, .height = 61, .width = 83}, 30, 40},
      {{.top = 5, .left = 9, .height = 50, .width = 61}, 7, 13},
      {{.top = 1, .left = 2, .height = 20, .width = 20}, 40, 33},
      {{.top = 3, .left = 0, .height = 31, .width = 83}, 31, 20},
      {{.top = 0, .left = 7, .height = 61, .width = 16}, 29, 16},
      {{.top = 60, .left = 82, .height = 1, .width = 1}, 3, 4},
      {{.top = 0, .left = 0, .height = 61, .width = 83}, 1, 1},
      {{.top = 0, .left = 0, .height = 2, .width = 83}, 1, 82},
  };
  for (const int64_t channels : {1, 3}) {
    const Image picture = made_up_picture(61, 83, channels);
    for (const Case& one : cases) {
      Image to;
      resize(picture, one.box, one.height, one.width, to);
      ASSERT_EQ(to.height, one.height);
      ASSERT_EQ(to.width, one.width);
      ASSERT_EQ(to.channels, channels);
      ASSERT_EQ(to.pixels.size(), to.bytes());
      for (int64_t y = 0; y < to.height; ++y) {
        for (int64_t x = 0; x < to.width; ++x) {
          for (int64_t c = 0; c < channels; ++c) {
            // Half a level for the rounding, and what floats lose on sums of numbers up to 255.
            ASSERT_NEAR(to.pixels[size_t((y * to.width + x) * channels + c)], expected(picture, one.box, y, x, c, to),
                        0.5 + 1e-3)
                << y << " " << x << " " << c << " of " << one.height << "x" << one.width;
          }
        }
      }
    }
  }
}

TEST(Resize, AConstantStaysOne) {
  for (const int level : {0, 1, 127, 254, 255}) {
    const Image flat{
        .height = 41, .width = 37, .channels = 3, .pixels = std::vector<uint8_t>(41 * 37 * 3, uint8_t(level))};
    Image to;
    for (const int64_t side : {1, 3, 10, 36, 38, 100}) {
      resize(flat, {.height = 41, .width = 37}, side, side + 1, to);
      ASSERT_EQ(to.pixels, std::vector<uint8_t>(to.bytes(), uint8_t(level))) << side;
    }
  }
}

TEST(Resize, TheSameSizeIsACopyOfTheBox) {
  const Image picture = made_up_picture(20, 30, 3);
  Image to;
  resize(picture, {.height = 20, .width = 30}, 20, 30, to);
  EXPECT_EQ(to.pixels, picture.pixels);
  resize(picture, {.top = 3, .left = 4, .height = 2, .width = 1}, 2, 1, to);
  const auto at = [&](int64_t y) { return picture.pixels.begin() + (y * 30 + 4) * 3; };
  std::vector<uint8_t> expected_pixels(at(3), at(3) + 3);
  expected_pixels.insert(expected_pixels.end(), at(4), at(4) + 3);
  EXPECT_EQ(to.pixels, expected_pixels);
}

TEST(Resize, NothingOutsideTheBoxIsSeen) {
  Image picture = made_up_picture(40, 40, 3), first, second;
  const Box box{.top = 10, .left = 12, .height = 21, .width = 17};
  resize(picture, box, 9, 9, first);
  for (int64_t y = 0; y < 40; ++y) {
    for (int64_t x = 0; x < 40; ++x) {
      if (y >= 10 && y < 31 && x >= 12 && x < 29) continue;
      for (int64_t c = 0; c < 3; ++c) picture.pixels[size_t((y * 40 + x) * 3 + c)] ^= 0xFF;
    }
  }
  resize(picture, box, 9, 9, second);
  EXPECT_EQ(first.pixels, second.pixels);
}

TEST(Resize, TheShorterSideIsTheOneGiven) {
  Image to;
  // torchvision.transforms.Resize(256) of these sizes.
  const std::array<int64_t, 4> sizes[] = {{375, 500, 256, 341}, {500, 375, 341, 256}, {333, 500, 256, 384},
                                          {256, 300, 256, 300}, {10, 10, 256, 256},   {100, 299, 256, 765}};
  for (const auto& [height, width, new_height, new_width] : sizes) {
    resize_shorter_side(made_up_picture(height, width, 1), 256, to);
    EXPECT_EQ(to.height, new_height) << height << "x" << width;
    EXPECT_EQ(to.width, new_width) << height << "x" << width;
  }
}

TEST(Resize, TheMiddleIsRoundedAsTorchvisionDoes) {
  Image image{.height = 0, .width = 300, .channels = 1, .pixels = {}};
  const std::pair<int64_t, int64_t> tops[] = {{224, 0}, {225, 0}, {226, 1}, {227, 2}, {229, 2}, {231, 4}, {256, 16}};
  for (const auto& [height, top] : tops) {
    image.height = height;
    const Box box = centre_box(image, 224, 100);
    EXPECT_EQ(box.top, top) << height;
    EXPECT_EQ(box.left, 100);
    EXPECT_EQ(box.height, 224);
    EXPECT_EQ(box.width, 100);
  }
  EXPECT_THAT(error_of(ExitCode::data, [&] { centre_box(image, 257, 10); }), testing::HasSubstr("no part of 257x10"));
}

TEST(Resize, RefusesWhatCannotBe) {
  const Image picture = made_up_picture(10, 10, 1);
  Image to;
  const Box wrong[] = {{.top = -1, .left = 0, .height = 5, .width = 5},
                       {.top = 6, .left = 0, .height = 5, .width = 5},
                       {.top = 0, .left = 9, .height = 5, .width = 2},
                       {.top = 0, .left = 0, .height = 0, .width = 5}};
  for (const Box& box : wrong) error_of(ExitCode::internal, [&] { resize(picture, box, 4, 4, to); });
  error_of(ExitCode::internal, [&] { resize(picture, {.height = 10, .width = 10}, 0, 4, to); });
  const Image line{.height = 1, .width = 1 << 20, .channels = 1, .pixels = std::vector<uint8_t>(1 << 20)};
  EXPECT_THAT(error_of(ExitCode::data, [&] { resize_shorter_side(line, 256 + 1, to); }),
              testing::HasSubstr("more than 2^28 pixels"));
}

}  // namespace
}  // namespace convoy
