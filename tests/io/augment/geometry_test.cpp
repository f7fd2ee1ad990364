// Transforms that move pixels, against pictures changed pixel by pixel; what is drawn, by how often it comes.
#include <map>
#include <random>

#include "tests/io/augment/chain_testing.hpp"

namespace convoy {
namespace {

constexpr int64_t positions = 4000;

TEST(Geometry, CropsAndFlipsInAnyOrderAreAsIfDoneOneByOne) {
  std::mt19937 random(5);
  const auto draw = [&](int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random);
  };
  CanvasBuffers buffers;
  for (int trial = 0; trial < 3000; ++trial) {
    Image expected = noise_picture(draw(1, 24), draw(1, 40), draw(0, 1) ? 3 : 1);
    const Image picture = expected;
    Canvas canvas(picture, buffers);
    for (int step = 0; step < 5; ++step) {
      switch (draw(0, 3)) {
        case 0:
          canvas.flip();
          expected = mirrored(expected);
          break;
        case 1: {  // may reach beyond the borders, or see none of the picture at all
          const Box box{.top = draw(-9, 20), .left = draw(-9, 20), .height = draw(1, 30), .width = draw(1, 30)};
          const int fill = static_cast<int>(draw(0, 2)) * 100;
          canvas.crop(box, static_cast<uint8_t>(fill));
          expected = cropped(expected, box, fill);
          break;
        }
        case 2:
          canvas.pixels()[0] ^= 0xff;
          expected.pixels[0] ^= 0xff;
          break;
        default: break;
      }
    }
    Image out{.height = canvas.size().height, .width = canvas.size().width, .channels = canvas.channels()};
    out.pixels.resize(out.bytes());
    canvas.write(out.pixels.data());
    ASSERT_EQ(out, expected) << trial;
    ASSERT_EQ(picture, noise_picture(picture.height, picture.width, picture.channels)) << "the picture was changed";
  }
}

TEST(Geometry, MirrorsRowsOfAnyLength) {
  for (int64_t width = 1; width < 70; ++width) {
    for (const int64_t channels : {1, 3}) {
      const Image picture = noise_picture(2, width, channels);
      EXPECT_EQ(applied("flip 1", picture), mirrored(picture)) << width << " x " << channels;
      EXPECT_EQ(applied("flip 0", picture), picture);
    }
  }
}

TEST(Geometry, CentreCropRoundsHalvesToEven) {
  // torchvision 0.29: [int(round((H - 4) / 2.0)) for H in range(4, 16)], Python rounds halves to even.
  constexpr int64_t tops[] = {0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5, 6};
  for (int64_t height = 4; height < 16; ++height) {
    const Image picture = noise_picture(height, 9);
    EXPECT_EQ(applied("centre-crop 4x9", picture), cropped(picture, {tops[height - 4], 0, 4, 9})) << height;
  }
}

/// How often each offset of a crop came, found by comparing with all of them.
std::map<std::pair<int64_t, int64_t>, int64_t> offsets_seen(const std::string& text, const Image& picture, Box around,
                                                            PictureSize size, int fill = 0) {
  const Augmentation chain("augment", text);
  std::map<std::pair<int64_t, int64_t>, int64_t> seen;
  std::map<std::string, std::pair<int64_t, int64_t>> crops;
  for (int64_t top = around.top; top < around.top + around.height; ++top) {
    for (int64_t left = around.left; left < around.left + around.width; ++left) {
      crops[text_of(cropped(picture, {top, left, size.height, size.width}, fill))] = {top, left};
    }
  }
  EXPECT_EQ(static_cast<int64_t>(crops.size()), around.height * around.width);
  for (int64_t position = 0; position < positions; ++position) {
    const auto found = crops.find(text_of(applied(chain, picture, position)));
    EXPECT_NE(found, crops.end()) << position;
    if (found == crops.end()) break;
    ++seen[found->second];
  }
  return seen;
}

void expect_all_evenly(const std::map<std::pair<int64_t, int64_t>, int64_t>& seen, int64_t outcomes) {
  std::vector<int64_t> counts;
  for (const auto& [offset, count] : seen) counts.push_back(count);
  EXPECT_EQ(static_cast<int64_t>(counts.size()), outcomes);
  expect_even(counts);
}

TEST(Geometry, RandomCropTakesEveryPlaceEquallyOften) {
  const Image picture = noise_picture(12, 14);
  expect_all_evenly(offsets_seen("random-crop 8x9", picture, {0, 0, 5, 6}, {8, 9}), 30);
  expect_all_evenly(offsets_seen("random-crop 12x14 padding=2", picture, {-2, -2, 5, 5}, {12, 14}), 25);
  expect_all_evenly(offsets_seen("random-crop 15 padding=2 fill=9", picture, {-2, -2, 2, 4}, {15, 15}, 9), 8);
}

TEST(Geometry, ShiftGoesUpToNPixelsInEachDirection) {
  const Image picture = noise_picture(10, 11);
  expect_all_evenly(offsets_seen("shift 2", picture, {-2, -2, 5, 5}, {10, 11}), 25);
  expect_all_evenly(offsets_seen("shift 1 fill=128", picture, {-1, -1, 3, 3}, {10, 11}, 128), 9);
}

TEST(Geometry, FlipsWithItsProbability) {
  const Image picture = noise_picture(3, 4);
  for (const auto& [text, probability] : std::map<std::string, double>{{"flip", 0.5}, {"flip 0.1", 0.1}}) {
    const Augmentation chain("augment", text);
    double flips = 0;
    for (int64_t position = 0; position < positions; ++position) {
      flips += applied(chain, picture, position) == picture ? 0 : 1;
    }
    // Within five deviations of a binomial.
    EXPECT_NEAR(flips, positions * probability, 5 * std::sqrt(positions * probability * (1 - probability)));
  }
}

TEST(Geometry, TwoOfAKindDrawApart) {
  const Image picture = noise_picture(3, 4);
  const Augmentation twice("augment", "flip, flip");
  double flips = 0;
  for (int64_t position = 0; position < positions; ++position) {
    flips += applied(twice, picture, position) == picture ? 0 : 1;
  }
  EXPECT_NEAR(flips, positions / 2.0, 5 * std::sqrt(positions / 4.0));
}

TEST(Geometry, SeedAndPositionDecide) {
  const Image picture = noise_picture(40, 40);
  const Augmentation chain("augment", "random-crop 24, flip");
  int same_position = 0, other_seed = 0, next = 0;
  for (int64_t position = 0; position < 100; ++position) {
    const Image one = applied(chain, picture, position);
    same_position += one == applied(chain, picture, position) ? 1 : 0;
    other_seed += one == applied(chain, picture, position, 2) ? 1 : 0;
    next += one == applied(chain, picture, position + 1) ? 1 : 0;
  }
  EXPECT_EQ(same_position, 100);
  EXPECT_LT(other_seed, 5);  // 578 outcomes: one in 578 agrees by chance
  EXPECT_LT(next, 5);
  EXPECT_NE(applied(chain, picture, int64_t{1} << 40), applied(chain, picture, 0));
}

/// A picture in which a pixel tells its place: x in the first channel, y in the second.
Image ramp(int64_t height, int64_t width) {
  return picture_of(height, width, 3, [](int64_t y, int64_t x, int64_t c) {
    return static_cast<int>(c == 0 ? x : c == 1 ? y : 0);
  });
}

TEST(Geometry, RandomResizedCropTakesItsShareOfThePicture) {
  // A filter that is symmetric and sums to 1 leaves a ramp a ramp away from the borders: output pixel i of S stands for
  // left + (i + 1/2) w / S - 1/2, so that two pixels tell the box, to the rounding of pixels: 1 / 12 of a side at most.
  constexpr int64_t height = 120, width = 200, side = 32;
  const Image picture = ramp(height, width);
  const Augmentation chain("augment", "random-resized-crop 32 area=0.2..0.5 ratio=3/4..4/3");
  std::vector<int64_t> thirds_of_area(3), thirds_of_ratio(3);
  for (int64_t position = 0; position < positions; ++position) {
    const Image out = applied(chain, picture, position);
    ASSERT_EQ(out.height, side);
    const auto span = [&](int64_t channel) {
      const int64_t first = 8, last = 23;
      const int from = channel == 0 ? at(out, 5, first, 0) : at(out, first, 5, 1);
      const int to = channel == 0 ? at(out, 5, last, 0) : at(out, last, 5, 1);
      return static_cast<double>(to - from) * side / static_cast<double>(last - first);
    };
    const double area = span(0) * span(1) / (height * width), ratio = span(0) / span(1);
    ASSERT_GT(area, 0.2 - 0.03) << position;
    ASSERT_LT(area, 0.5 + 0.03) << position;
    ASSERT_GT(std::log(ratio), std::log(3.0 / 4) - 0.1) << position;
    ASSERT_LT(std::log(ratio), std::log(4.0 / 3) + 0.1) << position;
    ++thirds_of_area[static_cast<size_t>(std::clamp((area - 0.2) / 0.1, 0.0, 2.0))];
    ++thirds_of_ratio[static_cast<size_t>(std::clamp(std::log(ratio * 4 / 3) / std::log(16.0 / 9) * 3, 0.0, 2.0))];
  }
  // Area and the logarithm of the ratio are uniform; the rounding of pixels moves some across the borders of thirds.
  for (const int64_t count : thirds_of_area) EXPECT_NEAR(static_cast<double>(count), positions / 3.0, 300);
  for (const int64_t count : thirds_of_ratio) EXPECT_NEAR(static_cast<double>(count), positions / 3.0, 300);
}

TEST(Geometry, RandomResizedCropFallsBackToTheMiddle) {
  // No box of a quarter of a 4 x 240 strip has a ratio of 1: the middle 4 x 4 is taken.
  const Image picture = ramp(4, 240);
  const Image out = applied("random-resized-crop 4 area=0.9..1 ratio=1..1", picture);
  EXPECT_EQ(out, cropped(picture, {0, 118, 4, 4}));
}

TEST(Geometry, ResizeThenFlipIsFlipThenResize) {
  const Image picture = noise_picture(40, 60);
  const Image one = applied("resize 20, flip 1", picture), other = applied("flip 1, resize 20", picture);
  ASSERT_EQ(one.pixels.size(), other.pixels.size());
  for (size_t i = 0; i < one.pixels.size(); ++i) {
    ASSERT_NEAR(one.pixels[i], other.pixels[i], 1) << i;  // only the order of summation differs
  }
}

TEST(Geometry, ResizeSeesOnlyWhatWasLeftByACrop) {
  const Image picture = noise_picture(40, 60);
  Image expected;
  const Augmentation chain("augment", "centre-crop 20x24, resize 10");
  // The box (10, 18) is centre-crop's; resampling may look at no pixel beyond it.
  resize(cropped(picture, {10, 18, 20, 24}), {0, 0, 20, 24}, 10, 12, expected);
  EXPECT_EQ(applied(chain, picture, 0), expected);
}

TEST(Geometry, TenCropsAreCornersCentreAndMirrors) {
  const Image picture = noise_picture(11, 14);
  const Box boxes[] = {{0, 0, 6, 8}, {0, 6, 6, 8}, {5, 0, 6, 8}, {5, 6, 6, 8}, {2, 3, 6, 8}};
  for (const char* text : {"none", "centre-crop 6x8"}) {
    const std::vector<Augmentation> crops = Augmentation("eval-augment", text).ten_crops({6, 8, 3});
    ASSERT_EQ(crops.size(), 10u);
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(applied(crops[i], picture, 0), cropped(picture, boxes[i])) << i;
      EXPECT_EQ(applied(crops[i + 5], picture, 0), mirrored(cropped(picture, boxes[i]))) << i;
      EXPECT_FALSE(crops[i].random());
    }
  }
}

TEST(Geometry, FloatsMoveAsBytesDo) {
  const Image picture = noise_picture(9, 12);
  std::vector<float> floats(picture.pixels.begin(), picture.pixels.end());
  const Augmentation chain("augment", "random-crop 9x10 padding=3, flip, shift 2");
  CanvasBuffers buffers;
  for (int64_t position = 0; position < 200; ++position) {
    const Image expected = applied(chain, picture, position);
    Canvas canvas(floats.data(), {9, 12}, 3, buffers);
    chain.apply(canvas, RandomStream(1, RandomPurpose::augment, static_cast<uint64_t>(position)));
    std::vector<float> out(expected.pixels.size());
    canvas.write(out.data());
    ASSERT_TRUE(std::equal(out.begin(), out.end(), expected.pixels.begin())) << position;
  }
}

TEST(Geometry, TheMeanPictureIsTakenOffWhereAPixelCameFrom) {
  // A mean picture that is the picture itself: what is left is 0 everywhere, unless a colour was changed.
  const Image picture = noise_picture(9, 12);
  std::vector<float> mean(picture.pixels.begin(), picture.pixels.end());
  for (float& value : mean) value -= 0.25f;
  const Augmentation chain("augment", "random-crop 9x10 padding=3, flip, shift 2");
  CanvasBuffers buffers;
  for (int64_t position = 0; position < 200; ++position) {
    const Image out = applied(chain, picture, position);
    Canvas canvas(picture, buffers);
    chain.apply(canvas, RandomStream(1, RandomPurpose::augment, static_cast<uint64_t>(position)));
    std::vector<float> less(out.pixels.size());
    canvas.write_without_mean(mean.data(), {9, 12}, less.data());
    for (size_t i = 0; i < less.size(); i += 3) {
      // No pixel of the picture is black in all channels but the first; filled ones are 0 after subtraction.
      const bool filled = out.pixels[i] == 0 && out.pixels[i + 1] == 0 && out.pixels[i + 2] == 0;
      if (filled && less[i] == 0.25f) continue;
      for (size_t c = 0; c < 3; ++c) ASSERT_EQ(less[i + c], filled ? 0.0f : 0.25f) << position << ": " << i + c;
    }
  }
}

TEST(Geometry, TooSmallAPictureIsAnErrorThatNamesTheTransform) {
  const Image picture = noise_picture(20, 30);
  for (const char* text : {"random-crop 24", "centre-crop 24", "flip, random-crop 40 padding=8"}) {
    EXPECT_THAT(error_of(ExitCode::data, [&] { applied(text, picture); }),
                testing::AllOf(testing::HasSubstr("20x30"), testing::HasSubstr("crop"), testing::HasSubstr("resize")));
  }
}

}  // namespace
}  // namespace convoy
