// Transforms that change colours, against their definitions and figures of torchvision's.
#include <array>
#include <map>

#include "tests/io/augment/chain_testing.hpp"

namespace convoy {
namespace {

using Pixel = std::array<int, 3>;

Image pixels_of(const std::vector<Pixel>& pixels) {
  return picture_of(1, static_cast<int64_t>(pixels.size()), 3, [&](int64_t, int64_t x, int64_t c) {
    return pixels[static_cast<size_t>(x)][static_cast<size_t>(c)];
  });
}

const std::vector<Pixel> some = {{10, 200, 30}, {255, 0, 128}, {90, 91, 92}, {0, 0, 0}, {255, 255, 255}, {17, 66, 240}};

/// The ratio that a transform at the first place draws at position 0, whose only number is this one.
double ratio_at(int64_t position, double most) {
  const RandomStream random(1, RandomPurpose::augment, static_cast<uint64_t>(position));
  const double least = std::max(0.0, 1 - most);
  return least + (1 + most - least) * static_cast<double>(random.uniform(0));
}

/// torchvision's _blend on uint8, in its fp32.
int blended(double ratio, double value, double other) {
  const float sum =
      static_cast<float>(ratio) * static_cast<float>(value) + static_cast<float>(1 - ratio) * static_cast<float>(other);
  return static_cast<int>(std::min(std::max(sum, 0.0f), 255.0f));
}

int grey(const Pixel& p) {
  return static_cast<int>(0.2989f * static_cast<float>(p[0]) + 0.587f * static_cast<float>(p[1]) +
                          0.114f * static_cast<float>(p[2]));
}

TEST(Colour, BlendsAsTorchvisionDoes) {
  double mean = 0;
  for (const Pixel& pixel : some) mean += grey(pixel) / static_cast<double>(some.size());
  const Image picture = pixels_of(some);
  for (int64_t position = 0; position < 300; ++position) {
    const Image brighter = applied("brightness 0.4", picture, position);
    const Image contrast = applied("contrast 1.5", picture, position);
    const Image saturated = applied("saturation 0.4", picture, position);
    const double ratio = ratio_at(position, 0.4), wide = ratio_at(position, 1.5);
    for (size_t i = 0; i < some.size(); ++i) {
      for (size_t c = 0; c < 3; ++c) {
        const int value = some[i][c];
        ASSERT_EQ(brighter.pixels[3 * i + c], blended(ratio, value, 0)) << ratio;
        // The mean of the grey levels is summed in another order here: a product may fall to the other side of a whole.
        ASSERT_NEAR(contrast.pixels[3 * i + c], blended(wide, value, mean), 1) << wide;
        ASSERT_EQ(saturated.pixels[3 * i + c], blended(ratio, value, grey(some[i]))) << ratio;
      }
    }
  }
}

TEST(Colour, AgreesWithFiguresOfTorchvision) {
  // torchvision 0.29.2 and torch 2.15: F.adjust_brightness(img, ratio).reshape(3, 6).t().flatten().tolist(), and so on,
  // of `some` as a tensor (3, 1, 6) of uint8, with the ratios of positions 0, 1 and 2.
  constexpr double ratios[] = {0.929150724, 1.00985379, 0.629062748};
  struct Case {
    int64_t position;
    const char* chain;
    std::vector<uint8_t> expected;
  };
  const std::vector<Case> cases{
      {0, "brightness 0.4", {9, 185, 27, 236, 0, 118, 83, 84, 85, 0, 0, 0, 236, 236, 236, 15, 61, 222}},
      {0, "contrast 0.4", {16, 193, 35, 244, 7, 126, 91, 91, 92, 7, 7, 7, 244, 244, 244, 23, 68, 230}},
      {0, "saturation 0.4", {18, 194, 36, 243, 6, 125, 90, 90, 91, 0, 0, 0, 254, 254, 254, 20, 66, 228}},
      {1, "brightness 0.4", {10, 201, 30, 255, 0, 129, 90, 91, 92, 0, 0, 0, 255, 255, 255, 17, 66, 242}},
      {1, "contrast 0.4", {9, 200, 29, 255, 0, 128, 89, 90, 91, 0, 0, 0, 255, 255, 255, 16, 65, 241}},
      {1, "saturation 0.4", {8, 200, 29, 255, 0, 128, 90, 91, 92, 0, 0, 0, 255, 255, 255, 16, 65, 241}},
      {2, "brightness 0.4", {6, 125, 18, 160, 0, 80, 56, 57, 57, 0, 0, 0, 160, 160, 160, 10, 41, 150}},
      {2, "contrast 0.4", {45, 164, 57, 199, 38, 119, 95, 96, 96, 38, 38, 38, 199, 199, 199, 49, 80, 189}},
      {2, "saturation 0.4", {51, 171, 64, 193, 33, 113, 90, 90, 91, 0, 0, 0, 254, 254, 254, 37, 67, 177}},
  };
  for (const Case& a : cases) {
    ASSERT_NEAR(ratio_at(a.position, 0.4), ratios[a.position], 1e-8);
    EXPECT_EQ(applied(a.chain, pixels_of(some), a.position).pixels, a.expected) << a.chain << ", " << a.position;
  }
}

TEST(Colour, LongRowsAreAsShortOnes) {
  // Kernels work on blocks of pixels and what is left over.
  for (int64_t width = 1; width < 80; ++width) {
    const Image picture = noise_picture(1, width);
    for (const char* text : {"pca-lighting 1", "saturation 0.9", "brightness 0.9"}) {
      const Augmentation chain("augment", text);
      const Image whole = applied(chain, picture, 3);
      for (int64_t x = 0; x < width; ++x) {
        ASSERT_EQ(applied(chain, cropped(picture, {0, x, 1, 1}), 3), cropped(whole, {0, x, 1, 1})) << text << " " << x;
      }
    }
  }
}

TEST(Colour, LightingFollowsThePrincipalComponents) {
  // What is added is alike for all pixels, and over many samples has the covariance P diag(sigma^2 lambda^2) P^T.
  constexpr double lambda[] = {55.46, 4.794, 1.148};
  constexpr double p[3][3] = {{-0.5675, 0.7192, 0.4009}, {-0.5808, -0.0045, -0.8140}, {-0.5836, -0.6948, 0.4203}};
  constexpr int64_t positions = 20000;
  constexpr double sigma = 0.5;
  const Image picture = pixels_of({{128, 128, 128}, {100, 150, 120}});
  const Augmentation chain("augment", "pca-lighting 0.5");
  double sums[3] = {}, products[3][3] = {};
  for (int64_t position = 0; position < positions; ++position) {
    const Image out = applied(chain, picture, position);
    double added[3];
    for (size_t c = 0; c < 3; ++c) {
      added[c] = out.pixels[c] - 128.0;
      if (out.pixels[c] <= 28 || out.pixels[c] >= 228) continue;
      ASSERT_EQ(out.pixels[3 + c] - picture.pixels[3 + c], added[c]);
    }
    double along[3];
    for (int k = 0; k < 3; ++k) along[k] = added[0] * p[0][k] + added[1] * p[1][k] + added[2] * p[2][k];
    for (int i = 0; i < 3; ++i) {
      sums[i] += along[i];
      for (int j = 0; j < 3; ++j) products[i][j] += along[i] * along[j];
    }
  }
  for (int i = 0; i < 3; ++i) {
    // Of 20,000 draws a variance has a deviation of 1 %, and a mean or a covariance of 0.7 % of its deviations.
    const double deviation = std::sqrt(sigma * sigma * lambda[i] * lambda[i] + 1.0 / 12);  // 1/12: of rounding
    EXPECT_NEAR(sums[i] / positions, 0, 0.04 * deviation);
    EXPECT_NEAR(products[i][i] / positions, deviation * deviation, 0.06 * deviation * deviation) << i;
    for (int j = 0; j < i; ++j) {
      const double other = std::sqrt(sigma * sigma * lambda[j] * lambda[j] + 1.0 / 12);
      EXPECT_NEAR(products[i][j] / positions, 0, 0.04 * deviation * other) << i << ", " << j;
    }
  }
}

TEST(Colour, LightingEndsAtBlackAndWhite) {
  const Image picture = pixels_of({{0, 0, 0}, {255, 255, 255}, {3, 250, 128}});
  const Augmentation chain("augment", "pca-lighting 3");
  int brightened = 0, darkened = 0;
  for (int64_t position = 0; position < 200; ++position) {
    const Image out = applied(chain, picture, position);
    for (size_t c = 0; c < 3; ++c) {
      const int up = out.pixels[c], down = 255 - out.pixels[3 + c];
      ASSERT_TRUE(up == 0 || down == 0);  // one of both met its end
      brightened += up > 0 ? 1 : 0;
      darkened += down > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(brightened, 100);
  EXPECT_GT(darkened, 100);
}

TEST(Colour, CutoutIsASquareAroundAnyPixel) {
  constexpr int64_t height = 9, width = 12;
  const Image picture = picture_of(height, width, 3, [](int64_t, int64_t, int64_t) { return 200; });
  for (const int64_t size : {1, 4, 5}) {
    std::map<std::string, int64_t> expected;
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) {
        const Image out = picture_of(height, width, 3, [&](int64_t py, int64_t px, int64_t) {
          const bool inside =
              py >= y - size / 2 && py < y - size / 2 + size && px >= x - size / 2 && px < x - size / 2 + size;
          return inside ? 7 : 200;
        });
        expected[text_of(out)] = 0;
      }
    }
    ASSERT_EQ(expected.size(), static_cast<size_t>(height * width));
    const Augmentation chain("augment", concat("cutout ", size, " fill=7"));
    for (int64_t position = 0; position < 6000; ++position) {
      const auto found = expected.find(text_of(applied(chain, picture, position)));
      ASSERT_NE(found, expected.end()) << position;
      ++found->second;
    }
    std::vector<int64_t> counts;
    for (const auto& [pixels, count] : expected) counts.push_back(count);
    expect_even(counts);
  }
}

TEST(Colour, GreyPicturesHaveBrightnessAndContrast) {
  const Image picture =
      picture_of(2, 2, 1, [](int64_t y, int64_t x, int64_t) { return static_cast<int>(100 * y + 50 * x); });
  const double ratio = ratio_at(4, 0.5);
  const Image brighter = applied("brightness 0.5", picture, 4), contrast = applied("contrast 0.5", picture, 4);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(brighter.pixels[i], blended(ratio, picture.pixels[i], 0));
    EXPECT_EQ(contrast.pixels[i], blended(ratio, picture.pixels[i], 75));
  }
}

}  // namespace
}  // namespace convoy
