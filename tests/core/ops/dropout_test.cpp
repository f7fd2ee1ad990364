#include "core/ops/dropout.hpp"

#include <cmath>
#include <vector>

#include "core/base/error.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy {
namespace {

constexpr int64_t count = 1000, batch = 3;

class DropoutTest : public testing::DeviceTest {
 protected:
  std::vector<float> dropped(DropoutKey key, float p, const std::vector<float>& values, int64_t position = 0) {
    const testing::OnDevice<int64_t> place(*device_, {position});
    key.position = place.data();
    const int64_t images = static_cast<int64_t>(values.size()) / count;
    const auto op = make_dropout(*device_, {.count = count, .p = p}, {.batch = images});
    const testing::OnDevice x(*device_, values), y(*device_, values);
    op->forward({}, key, x.data(), y.data());
    op->forward({}, key, x.data(), x.data());
    EXPECT_EQ(x.values(), y.values()) << "in place";
    return y.values();
  }
};

TEST_F(DropoutTest, DependsOnSeedLayerAndSampleAlone) {
  const std::vector<float> ones(count * batch, 1.0f);
  const DropoutKey key{.seed = 5, .layer = 2};
  const std::vector<float> y = dropped(key, 0.5f, ones, 100);
  EXPECT_EQ(dropped(key, 0.5f, ones, 100), y);
  // The second image of one call is the first of the next.
  const std::vector<float> next = dropped(key, 0.5f, ones, 101);
  EXPECT_EQ(std::vector<float>(next.begin(), next.end() - count), std::vector<float>(y.begin() + count, y.end()));
  EXPECT_NE(next, y);
  EXPECT_NE(dropped({.seed = 6, .layer = 2}, 0.5f, ones, 100), y);
  EXPECT_NE(dropped({.seed = 5, .layer = 3}, 0.5f, ones, 100), y);
}

TEST_F(DropoutTest, KeepsTheShareAndTheMean) {
  constexpr int64_t images = 200;
  for (const float p : {0.1f, 0.5f, 0.9f}) {
    const std::vector<float> y = dropped({.seed = 1}, p, std::vector<float>(count * images, 1.0f));
    double kept = 0;
    for (const float v : y) {
      kept += v != 0;
      if (v != 0) {
        ASSERT_EQ(v, 1 / (1 - p));
      }
    }
    const double n = static_cast<double>(y.size()), share = 1 - static_cast<double>(p);
    EXPECT_NEAR(kept / n, share, 4 * std::sqrt(share * (1 - share) / n)) << "four standard deviations";
  }
}

TEST_F(DropoutTest, DropsInfinitiesToo) {
  const std::vector<float> mask = dropped({}, 0.5f, std::vector<float>(count, 1.0f));
  const std::vector<float> y = dropped({}, 0.5f, std::vector<float>(count, -INFINITY));
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], mask[i] != 0 ? -INFINITY : 0);
}

TEST_F(DropoutTest, RefusesAProbabilityOfOne) {
  EXPECT_THROW(make_dropout(*device_, {.p = 1}, {}), Error);
  EXPECT_THROW(make_dropout(*device_, {.p = NAN}, {}), Error);
}

}  // namespace
}  // namespace convoy
