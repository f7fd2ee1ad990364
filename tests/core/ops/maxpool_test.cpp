// What the op cases do not show of max pooling: ties, NaN, a fused relu.
#include "core/ops/maxpool.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/error.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy {
namespace {

using ::testing::HasSubstr;
using testing::OnDevice;

/// What pooling makes of x, and where it sends dy back.
struct Pooled {
  Pooled(Device& device, const MaxPoolSpec& spec, const std::vector<float>& x_values,
         const std::vector<float>& dy_values) {
    const auto pool = make_maxpool(device, spec, {});
    const std::vector<float> unwritten(dy_values.size(), NAN);
    const OnDevice x(device, x_values), dy(device, dy_values), there(device, unwritten),
        at_inference(device, unwritten);
    const OnDevice back(device, std::vector<float>(x_values.size(), NAN));
    const OnDevice argmax(device, std::vector<std::byte>(pool->argmax_bytes()));
    pool->forward({}, x.data(), there.data(), argmax.data());
    pool->backward({}, dy.data(), argmax.data(), back.data(), Write::overwrite);
    pool->forward({}, x.data(), at_inference.data(), nullptr);
    y = there.values(), dx = back.values(), inference = at_inference.values();
  }
  std::vector<float> y, dx, inference;
};

class MaxPoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = testing::tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
    device_ = testing::make_tested_device();
  }
  /// One 4x4 image of `channels` equal channels, and ones sent back.
  Pooled pool(const std::vector<float>& plane, int64_t channels, const Extent2& stride = {2, 2},
              const Extent2& kernel = {2, 2}) const {
    const Extent2 out{(4 - kernel.h) / stride.h + 1, (4 - kernel.w) / stride.w + 1};
    const MaxPoolSpec spec{
        .input = {4, 4, channels}, .output = {out.h, out.w, channels}, .kernel = kernel, .stride = stride};
    std::vector<float> x;
    for (const float value : plane) x.insert(x.end(), static_cast<size_t>(channels), value);
    return {*device_, spec, x, std::vector<float>(static_cast<size_t>(spec.output.count()), 1.0f)};
  }

  std::unique_ptr<Device> device_;
};

TEST_F(MaxPoolTest, GivesTiesToTheFirstInRowMajorOrder) {
  // In the second window the larger of the later row must not hide that the first row has an equal one further right.
  const std::vector<float> plane{1, 1, 0, 5,  //
                                 1, 1, 5, 0,  //
                                 2, 3, 4, 4,  //
                                 3, 2, 0, 4};
  const std::vector<float> chosen{1, 0, 0, 1,  //
                                  0, 0, 0, 0,  //
                                  0, 1, 1, 0,  //
                                  0, 0, 0, 0};
  for (const int64_t channels : {1, 16, 19}) {
    const Pooled pooled = pool(plane, channels);
    for (size_t i = 0; i < pooled.dx.size(); ++i) {
      ASSERT_EQ(pooled.dx[i], chosen[i / static_cast<size_t>(channels)]) << channels << " channels, element " << i;
    }
  }
}

TEST_F(MaxPoolTest, PropagatesNaNFromAnyPlace) {
  for (const int64_t channels : {1, 20}) {
    for (const Extent2 stride : {Extent2{2, 2}, Extent2{1, 1}}) {
      for (const size_t place : {0u, 1u, 4u, 5u}) {
        std::vector<float> plane(16, 1.0f);
        plane[place] = NAN;
        const Pooled pooled = pool(plane, channels, stride);
        EXPECT_TRUE(std::isnan(pooled.y[0])) << place;
        EXPECT_FALSE(std::isnan(pooled.y.back()));
        EXPECT_GE(pooled.dx[place * static_cast<size_t>(channels)], 1) << "the gradient goes where NaN came from";
      }
    }
  }
}

TEST_F(MaxPoolTest, KeepsNaNInAWindowOfOneRow) {
  const MaxPoolSpec spec{.input = {1, 2, 1}, .output = {1, 1, 1}, .kernel = {2, 2}, .stride = {2, 2}};
  const Pooled pooled(*device_, spec, {1, NAN}, {3});
  EXPECT_TRUE(std::isnan(pooled.y[0]));
  EXPECT_EQ(pooled.dx, (std::vector<float>{0, 3}));
}

TEST_F(MaxPoolTest, GivesTiesToTheFirstInWindowsOfAnyExtent) {
  for (const Extent2 kernel : {Extent2{3, 3}, Extent2{4, 4}, Extent2{2, 3}}) {
    for (const int64_t channels : {1, 4}) {
      const Pooled pooled = pool(std::vector<float>(16, -INFINITY), channels, {4, 4}, kernel);
      std::vector<float> chosen(pooled.dx.size(), 0.0f);
      std::fill_n(chosen.begin(), channels, 1.0f);
      EXPECT_EQ(pooled.dx, chosen) << kernel.h << "x" << kernel.w;
    }
  }
  // The first that lies inside the image.
  const MaxPoolSpec spec{
      .input = {2, 2, 1}, .output = {1, 1, 1}, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 0, 1, 0}};
  EXPECT_EQ(Pooled(*device_, spec, {5, 5, 5, 5}, {1}).dx, (std::vector<float>{1, 0, 0, 0}));
  EXPECT_EQ(Pooled(*device_, spec, {4, 4, 5, 5}, {1}).dx, (std::vector<float>{0, 0, 1, 0}));
}

TEST_F(MaxPoolTest, TakesTheLargestOfNegatives) {
  const std::vector<float> plane(16, -2.0f);
  EXPECT_EQ(pool(plane, 3).y, std::vector<float>(12, -2.0f)) << "padding must not count as 0";
  EXPECT_EQ(pool(std::vector<float>(16, -INFINITY), 3).y, std::vector<float>(12, -INFINITY));
}

TEST_F(MaxPoolTest, PassesNothingThroughAReluThatStopped) {
  const MaxPoolSpec spec{
      .input = {1, 8, 1}, .output = {1, 4, 1}, .kernel = {1, 2}, .stride = {1, 2}, .masks_relu = true};
  const Pooled pooled(*device_, spec, {0, 0, 0, 3, NAN, 1, 1e-40f, 0}, {1, 2, 3, 4});
  EXPECT_TRUE(std::isnan(pooled.y[2])) << "the output is as ever";
  // As relu's own backward, which asks whether y > 0: NaN is not.
  EXPECT_EQ(pooled.dx, (std::vector<float>{0, 0, 0, 2, 0, 0, 4, 0}));
}

TEST_F(MaxPoolTest, NeedsNoArgmaxAtInference) {
  std::vector<float> plane(16);
  for (size_t i = 0; i < 16; ++i) plane[i] = static_cast<float>(i * 7 % 16);
  const Pooled pooled = pool(plane, 20);
  EXPECT_EQ(pooled.inference, pooled.y);
}

TEST_F(MaxPoolTest, RefusesAWindowThatDoesNotFitAByte) {
  try {
    make_maxpool(*device_, {.input = {16, 16, 1}, .output = {1, 1, 1}, .kernel = {16, 16}, .stride = {1, 1}}, {});
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), HasSubstr("F=16x16"));
  }
}

}  // namespace
}  // namespace convoy
