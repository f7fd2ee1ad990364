// Exact sums over pixels.
#include "io/shard/pixel_sums.hpp"

#include <cmath>

#include "io/shard/dataset.hpp"
#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

using testing::ElementsAre;

/// By the definition, in long double.
void expect_statistics(PixelSums& sums, const std::vector<uint8_t>& pixels, size_t channels) {
  for (size_t c = 0; c < channels; ++c) {
    long double sum = 0, squares = 0, n = 0;
    for (size_t i = c; i < pixels.size(); i += channels, ++n) sum += pixels[i];
    const long double mean = sum / n;
    for (size_t i = c; i < pixels.size(); i += channels) squares += (pixels[i] - mean) * (pixels[i] - mean);
    EXPECT_NEAR(sums.totals().mean()[c], static_cast<double>(mean), 1e-12);
    EXPECT_NEAR(sums.totals().deviation()[c], static_cast<double>(std::sqrt(squares / n)), 1e-12);
  }
}

TEST(PixelSums, AreThoseOfTheDefinitionHoweverPixelsCome) {
  for (const int64_t channels : {1, 2, 3}) {
    const std::vector<uint8_t> pixels = made_up_image(5, {37, 31, channels});
    PixelSums whole(channels), parts(channels);
    whole.add(pixels);
    const std::span<const uint8_t> all = pixels;
    const auto cut = static_cast<size_t>(11 * channels);
    parts.add(all.first(cut));
    parts.add(all.subspan(cut));
    expect_statistics(whole, pixels, static_cast<size_t>(channels));
    EXPECT_EQ(parts.totals(), whole.totals());
    EXPECT_TRUE(whole.totals().plausible(channels));
  }
}

TEST(PixelSums, DoNotOverflowTheir32BitCounters) {
  PixelSums sums(1);
  const std::vector<uint8_t> white(512, 255), black(512, 0);
  for (int i = 0; i < 70000; ++i) sums.add(white);  // 70,000 * 255^2 is more than 2^32
  EXPECT_THAT(sums.totals().mean(), ElementsAre(255));
  EXPECT_THAT(sums.totals().deviation(), ElementsAre(0));
  for (int i = 0; i < 70000; ++i) sums.add(black);
  EXPECT_THAT(sums.totals().mean(), ElementsAre(127.5));
  EXPECT_THAT(sums.totals().deviation(), ElementsAre(127.5));
}

TEST(PixelSums, OfNothingAreZero) {
  PixelSums sums(2);
  EXPECT_THAT(sums.totals().mean(), ElementsAre(0, 0));
  EXPECT_THAT(sums.totals().deviation(), ElementsAre(0, 0));
}

TEST(ShardStatistics, AreOfTheShardAndCombinedByTheDataset) {
  const TempFolder one, three;
  write_made_up(one.path(), {.samples = 20});
  write_made_up(three.path(), {.samples = 20, .shards = 3});
  const Dataset whole(one.path()), parts(three.path());
  std::vector<uint8_t> pixels;
  for (int64_t i = 0; i < 20; ++i) {
    const auto image = made_up_image(i, {4, 3, 2});
    pixels.insert(pixels.end(), image.begin(), image.end());
  }
  PixelSums sums(2);
  sums.add(pixels);
  EXPECT_EQ(whole.header().mean, sums.totals().mean());
  EXPECT_EQ(whole.header().deviation, sums.totals().deviation());
  EXPECT_NE(parts.shards()[0]->header().mean, parts.shards()[1]->header().mean);
  EXPECT_EQ(parts.header().mean, sums.totals().mean());
  EXPECT_EQ(parts.header().deviation, sums.totals().deviation());
}

TEST(PixelTotals, ThatNoPixelsCanHaveAreImplausible) {
  const auto plausible = [](uint64_t count, uint64_t sum, uint64_t squares) {
    return PixelTotals{.count = count, .sums = {sum}, .squares = {squares}}.plausible(1);
  };
  EXPECT_TRUE(plausible(2, 256, 65026));  // 1 and 255
  EXPECT_TRUE(plausible(2, 510, 130050));
  EXPECT_FALSE(plausible(2, 511, 130050)) << "brighter than white";
  EXPECT_FALSE(plausible(2, 256, 65281)) << "pixels above 255";
  EXPECT_FALSE(plausible(2, 256, 32767)) << "a variance below 0";
  EXPECT_FALSE(plausible(uint64_t{1} << 60, 0, 0));
  const PixelTotals colour{.count = 1, .sums = {1, 2, 3}, .squares = {1, 4, 9}};
  EXPECT_TRUE(colour.plausible(3));
  EXPECT_FALSE(colour.plausible(1));
}

TEST(ShardStatistics, TheMeanImageIsCombinedToo) {
  const TempFolder folder;
  write_made_up(folder.path(), {.samples = 20, .shards = 3});
  const Dataset dataset(folder.path());
  const std::vector<float> mean = dataset.mean_image();
  ASSERT_EQ(mean.size(), 24u);
  for (size_t i = 0; i < mean.size(); ++i) {
    double sum = 0;
    for (int64_t sample = 0; sample < 20; ++sample) sum += made_up_image(sample, {4, 3, 2})[i];
    EXPECT_NEAR(mean[i], sum / 20, 1e-4);  // float32 of up to 255, twice
  }
}

}  // namespace
}  // namespace convoy
