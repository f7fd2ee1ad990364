#include "core/ops/batchnorm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "tests/core/ops/draws.hpp"

namespace convoy {
namespace {

using Numbers = std::vector<float>;

class BatchNormTest : public ::testing::Test {
 protected:
  void prepare(const BatchNormSpec& spec, int64_t batch, int threads = 1) {
    channels_ = static_cast<size_t>(spec.channels);
    op_ = make_batchnorm(*device_, spec, {.batch = batch, .threads = threads});
    scratch_ = DeviceBuffer(*device_, op_->scratch_bytes(), "scratch");
    mean_.assign(channels_, NAN);
    variance_.assign(channels_, NAN);
  }
  OpContext context() { return {.scratch = scratch_.data()}; }
  BatchStatistics statistics() { return {mean_.data(), variance_.data()}; }
  Numbers forward(const Numbers& x, const Numbers& weight, const Numbers& bias) {
    Numbers y(x.size(), NAN);
    op_->forward_training(context(), x.data(), weight.data(), bias.data(), y.data(), statistics());
    return y;
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  std::unique_ptr<BatchNorm> op_;
  DeviceBuffer scratch_;
  size_t channels_ = 0;
  Numbers mean_, variance_;
};

/// Numbers around 1000 with a deviation of 0.01, of which fp32 keeps a few bits; compared with double, from the same
/// rounded numbers. A few rows that are far off must not spoil what is taken relative to them: the first, or those the
/// op has its first guess of the mean from.
TEST_F(BatchNormTest, IsExactWhereTheMeanIsMuchLargerThanTheDeviation) {
  constexpr size_t rows = 20000, channels = 3;
  Numbers x = testing::uniform(1, 0, rows * channels);
  for (float& v : x) v = 1000 + 0.01f * std::sqrt(3.0f) * v;
  const Numbers weight{1, -2, 0.5f}, bias{0, 0.25f, 3}, dy = testing::uniform(1, 1, rows * channels);
  for (const auto& [outliers, value] : std::vector<std::pair<size_t, float>>{{0, 0}, {1, 0}, {16, 999}, {16, 0}}) {
    for (size_t i = 0; i < outliers; ++i) std::fill_n(&x[i * (rows / 16) * channels], channels, value);
    prepare({.pixels = rows, .channels = channels, .epsilon = 1e-12f}, 1);
    const Numbers y = forward(x, weight, bias);
    Numbers dx(x.size(), NAN), dweight(channels, NAN), dbias(channels, NAN);
    op_->backward(context(), x.data(), dy.data(), weight.data(), statistics(), dx.data(), Write::overwrite,
                  dweight.data(), dbias.data());

    for (size_t c = 0; c < channels; ++c) {
      double mean = 0, variance = 0, product = 0, sum = 0;
      for (size_t i = c; i < x.size(); i += channels) mean += static_cast<double>(x[i]) / rows;
      for (size_t i = c; i < x.size(); i += channels) variance += std::pow(static_cast<double>(x[i]) - mean, 2) / rows;
      const double deviation = std::sqrt(variance), w = static_cast<double>(weight[c]);
      for (size_t i = c; i < x.size(); i += channels) {
        sum += static_cast<double>(dy[i]);
        product += static_cast<double>(dy[i]) * (static_cast<double>(x[i]) - mean) / deviation;
      }
      EXPECT_FLOAT_EQ(mean_[c], static_cast<float>(mean));
      EXPECT_FLOAT_EQ(variance_[c], static_cast<float>(variance));
      // Sums of 20,000 terms of size 1, a few of which at a time are added up in fp32.
      EXPECT_NEAR(static_cast<double>(dweight[c]), product, 2e-5);
      EXPECT_NEAR(static_cast<double>(dbias[c]), sum, 2e-5);
      for (size_t i = c; i < x.size(); i += 97 * channels) {
        const double normalised = (static_cast<double>(x[i]) - mean) / deviation;
        const double expected = w * normalised + static_cast<double>(bias[c]);
        ASSERT_NEAR(static_cast<double>(y[i]), expected, 4e-7 * (1 + std::abs(expected))) << i << ", " << value;
        const double gradient = w / deviation * (static_cast<double>(dy[i]) - sum / rows - normalised * product / rows);
        ASSERT_NEAR(static_cast<double>(dx[i]), gradient, 4e-7 * std::abs(w) / deviation) << i << ", " << value;
      }
    }
  }
}

TEST_F(BatchNormTest, InferenceUsesTheStatisticsGiven) {
  prepare({.channels = 2, .epsilon = 1}, 2);
  const Numbers x{1, 10, 3, 20}, weight{2, 1}, bias{0.5f, -1}, mean{1, 12}, variance{3, 0};
  Numbers y(4, NAN);
  op_->forward_inference(context(), x.data(), weight.data(), bias.data(), mean.data(), variance.data(), y.data());
  EXPECT_EQ(y, (Numbers{0.5f, -3, 2.5f, 7}));

  prepare({.channels = 2, .epsilon = 1, .activation = Activation::relu}, 2);
  op_->forward_inference(context(), x.data(), weight.data(), bias.data(), mean.data(), variance.data(), y.data());
  EXPECT_EQ(y, (Numbers{0.5f, 0, 2.5f, 7}));
}

TEST_F(BatchNormTest, AConstantChannelGivesItsBias) {
  prepare({.pixels = 50, .channels = 2}, 3);
  Numbers x(300);
  for (size_t i = 0; i < x.size(); ++i) x[i] = i % 2 ? 0.1f : -7e6f;
  const Numbers y = forward(x, {3, 4}, {0.5f, -2});
  for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], i % 2 ? -2 : 0.5f);
  EXPECT_EQ(variance_, (Numbers{0, 0}));
  EXPECT_EQ(mean_, (Numbers{-7e6f, 0.1f}));
}

TEST_F(BatchNormTest, NaNStaysInItsChannel) {
  for (const size_t place : {1, 7, 13}) {
    prepare({.pixels = 5, .channels = 3, .activation = Activation::relu}, 1);
    Numbers x = testing::uniform(2, 0, 15);
    x[place] = NAN;
    const Numbers y = forward(x, {1, 1, 1}, {0, 0, 0});
    for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(std::isnan(y[i]), i % 3 == 1) << i;
    EXPECT_TRUE(std::isnan(mean_[1]) && std::isnan(variance_[1]));
  }
}

TEST_F(BatchNormTest, RunsInPlaceAndWithoutAnInputGradient) {
  for (const int64_t channels : {3, 600}) {
    prepare({.pixels = 21, .channels = channels}, 2);
    const auto size = static_cast<size_t>(42 * channels);
    const Numbers x = testing::uniform(3, 0, 42 * channels), dy = testing::uniform(3, 1, 42 * channels);
    const Numbers weight = testing::uniform(3, 2, channels);
    Numbers y = x;
    op_->forward_training(context(), y.data(), weight.data(), weight.data(), y.data(), statistics());
    EXPECT_EQ(y, forward(x, weight, weight));
    Numbers dx(size, NAN), in_place = dy;
    Numbers dweight[3], dbias[3];
    float* const targets[3] = {dx.data(), in_place.data(), nullptr};
    for (size_t i = 0; i < 3; ++i) {
      dweight[i].assign(channels_, NAN);
      dbias[i].assign(channels_, NAN);
      const float* gradient = i == 1 ? in_place.data() : dy.data();
      op_->backward(context(), x.data(), gradient, weight.data(), statistics(), targets[i], Write::overwrite,
                    dweight[i].data(), dbias[i].data());
      EXPECT_EQ(dweight[i], dweight[0]);
      EXPECT_EQ(dbias[i], dbias[0]);
    }
    EXPECT_EQ(in_place, dx);
    EXPECT_THAT(dx, ::testing::Each(::testing::Truly([](float g) { return std::isfinite(g); })));
  }
}

}  // namespace
}  // namespace convoy
