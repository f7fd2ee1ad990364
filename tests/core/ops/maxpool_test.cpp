#include "core/ops/maxpool.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "core/base/error.hpp"

namespace convoy {
namespace {

using ::testing::HasSubstr;

/// One 4x4 image of `channels` equal channels through 2x2 windows, stride 2, and ones sent back.
struct Pooled {
  Pooled(const std::vector<float>& plane, int64_t channels, const Extent2& stride = {2, 2}) {
    const auto device = make_cpu_device();
    const int64_t out = stride.h == 2 ? 2 : 3;
    const MaxPoolSpec spec{
        .input = {4, 4, channels}, .output = {out, out, channels}, .kernel = {2, 2}, .stride = stride};
    const auto pool = make_maxpool(*device, spec, {});
    std::vector<float> x;
    for (const float value : plane) x.insert(x.end(), static_cast<size_t>(channels), value);
    std::vector<std::byte> argmax(pool->argmax_bytes());
    y.resize(static_cast<size_t>(spec.output.count()));
    dx.resize(x.size());
    pool->forward({}, x.data(), y.data(), argmax.data());
    pool->backward({}, std::vector<float>(y.size(), 1.0f).data(), argmax.data(), dx.data(), Write::overwrite);
    inference.resize(y.size());
    pool->forward({}, x.data(), inference.data(), nullptr);
  }
  std::vector<float> y, dx, inference;
};

TEST(MaxPool, GivesTiesToTheFirstInRowMajorOrder) {
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
    const Pooled pooled(plane, channels);
    for (size_t i = 0; i < pooled.dx.size(); ++i) {
      ASSERT_EQ(pooled.dx[i], chosen[i / static_cast<size_t>(channels)]) << channels << " channels, element " << i;
    }
  }
}

TEST(MaxPool, PropagatesNaNFromAnyPlace) {
  for (const int64_t channels : {1, 20}) {
    for (const Extent2 stride : {Extent2{2, 2}, Extent2{1, 1}}) {
      for (const size_t place : {0u, 1u, 4u, 5u}) {
        std::vector<float> plane(16, 1.0f);
        plane[place] = NAN;
        const Pooled pooled(plane, channels, stride);
        EXPECT_TRUE(std::isnan(pooled.y[0])) << place;
        EXPECT_FALSE(std::isnan(pooled.y.back()));
        EXPECT_GE(pooled.dx[place * static_cast<size_t>(channels)], 1) << "the gradient goes where NaN came from";
      }
    }
  }
}

TEST(MaxPool, KeepsNaNInAWindowOfOneRow) {
  const auto device = make_cpu_device();
  const MaxPoolSpec spec{.input = {1, 2, 1}, .output = {1, 1, 1}, .kernel = {2, 2}, .stride = {2, 2}};
  const auto pool = make_maxpool(*device, spec, {});
  const std::vector<float> x{1, NAN};
  std::vector<std::byte> argmax(pool->argmax_bytes());
  std::vector<float> dx(2);
  float y = 0;
  const float dy = 3;
  pool->forward({}, x.data(), &y, argmax.data());
  EXPECT_TRUE(std::isnan(y));
  pool->backward({}, &dy, argmax.data(), dx.data(), Write::overwrite);
  EXPECT_EQ(dx, (std::vector<float>{0, 3}));
}

TEST(MaxPool, TakesTheLargestOfNegatives) {
  const std::vector<float> plane(16, -2.0f);
  EXPECT_EQ(Pooled(plane, 3).y, std::vector<float>(12, -2.0f)) << "padding must not count as 0";
  EXPECT_EQ(Pooled(std::vector<float>(16, -INFINITY), 3).y, std::vector<float>(12, -INFINITY));
}

TEST(MaxPool, PassesNothingThroughAReluThatStopped) {
  const auto device = make_cpu_device();
  MaxPoolSpec spec{.input = {1, 8, 1}, .output = {1, 4, 1}, .kernel = {1, 2}, .stride = {1, 2}, .masks_relu = true};
  const auto pool = make_maxpool(*device, spec, {});
  const std::vector<float> x{0, 0, 0, 3, NAN, 1, 1e-40f, 0}, dy{1, 2, 3, 4};
  std::vector<std::byte> argmax(pool->argmax_bytes());
  std::vector<float> y(4), dx(8);
  pool->forward({}, x.data(), y.data(), argmax.data());
  EXPECT_TRUE(std::isnan(y[2])) << "the output is as ever";
  pool->backward({}, dy.data(), argmax.data(), dx.data(), Write::overwrite);
  // As relu's own backward, which asks whether y > 0: NaN is not.
  EXPECT_EQ(dx, (std::vector<float>{0, 0, 0, 2, 0, 0, 4, 0}));
}

TEST(MaxPool, NeedsNoArgmaxAtInference) {
  std::vector<float> plane(16);
  for (size_t i = 0; i < 16; ++i) plane[i] = static_cast<float>(i * 7 % 16);
  const Pooled pooled(plane, 20);
  EXPECT_EQ(pooled.inference, pooled.y);
}

TEST(MaxPool, RefusesAWindowThatDoesNotFitAByte) {
  const auto device = make_cpu_device();
  try {
    make_maxpool(*device, {.input = {16, 16, 1}, .output = {1, 1, 1}, .kernel = {16, 16}, .stride = {1, 1}}, {});
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), HasSubstr("F=16x16"));
  }
}

}  // namespace
}  // namespace convoy
