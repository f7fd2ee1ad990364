#include "core/ops/batchnorm.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "tests/core/ops/draws.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy {
namespace {

using Numbers = std::vector<float>;

using testing::OnDevice;

class BatchNormTest : public testing::DeviceTest {
 protected:
  struct Gradients {
    Numbers x, weight, bias;
  };

  void prepare(const BatchNormSpec& spec, int64_t batch) {
    channels_ = static_cast<size_t>(spec.channels);
    op_ = make_batchnorm(*device_, spec, {.batch = batch});
    scratch_ = DeviceBuffer(*device_, op_->scratch_bytes(), "scratch");
    mean_ = DeviceBuffer(*device_, channels_ * sizeof(float), "means");
    variance_ = DeviceBuffer(*device_, channels_ * sizeof(float), "variances");
  }
  OpContext context() { return {.scratch = scratch_.data()}; }
  BatchStatistics statistics() {
    return {reinterpret_cast<float*>(mean_.data()), reinterpret_cast<float*>(variance_.data())};
  }
  Numbers downloaded(const DeviceBuffer& from) {
    Numbers out(channels_);
    device_->download(out.data(), from.data(), from.bytes());
    return out;
  }
  Numbers forward(const Numbers& input, const Numbers& weights, const Numbers& biases, bool in_place = false) {
    const OnDevice x(*device_, input), y(*device_, Numbers(input.size(), NAN));
    const OnDevice weight(*device_, weights), bias(*device_, biases);
    float* to = in_place ? x.data() : y.data();
    op_->forward_training(context(), x.data(), weight.data(), bias.data(), to, statistics());
    return in_place ? x.values() : y.values();
  }
  Numbers infer(const Numbers& input, const Numbers& weights, const Numbers& biases, const Numbers& means,
                const Numbers& variances) {
    const OnDevice x(*device_, input), weight(*device_, weights), bias(*device_, biases), mean(*device_, means);
    const OnDevice variance(*device_, variances);
    op_->forward_inference(context(), x.data(), weight.data(), bias.data(), mean.data(), variance.data(), x.data());
    return x.values();
  }
  template <size_t channels>
  void expect_exact();

  enum class Into { other, same, none };
  Gradients backward(const Numbers& input, const Numbers& gradients, const Numbers& weights, Into into = Into::other) {
    const OnDevice x(*device_, input), dy(*device_, gradients), weight(*device_, weights);
    const OnDevice dx(*device_, Numbers(input.size(), NAN));
    const OnDevice dweight(*device_, Numbers(channels_, NAN)), dbias(*device_, Numbers(channels_, NAN));
    float* const to[] = {dx.data(), dy.data(), nullptr};
    op_->backward(context(), x.data(), dy.data(), weight.data(), statistics(), to[static_cast<size_t>(into)],
                  Write::overwrite, dweight.data(), dbias.data());
    return {into == Into::same ? dy.values() : dx.values(), dweight.values(), dbias.values()};
  }

  std::unique_ptr<BatchNorm> op_;
  DeviceBuffer scratch_, mean_, variance_;
  size_t channels_ = 0;
};

/// Numbers around 1000 with a deviation of 0.01, of which fp32 keeps a few bits; compared with double, from the same
/// rounded numbers. A few rows that are far off must not spoil what is taken relative to them: the first, or those the
/// op has its first guess of the mean from.
template <size_t channels>
void BatchNormTest::expect_exact() {
  constexpr size_t rows = 20000;
  Numbers x = testing::uniform(1, 0, rows * channels);
  for (float& v : x) v = 1000 + 0.01f * std::sqrt(3.0f) * v;
  Numbers weight{1, -2, 0.5f, 3}, bias{0, 0.25f, 3, -1};
  weight.resize(channels);
  bias.resize(channels);
  const Numbers dy = testing::uniform(1, 1, rows * channels);
  for (const auto& [outliers, value] : std::vector<std::pair<size_t, float>>{{0, 0}, {1, 0}, {16, 999}, {16, 0}}) {
    for (size_t i = 0; i < outliers; ++i) std::fill_n(&x[i * (rows / 16) * channels], channels, value);
    prepare({.pixels = rows, .channels = channels, .epsilon = 1e-12f}, 1);
    const Numbers y = forward(x, weight, bias);
    const auto& [dx, dweight, dbias] = backward(x, dy, weight);
    const Numbers means = downloaded(mean_), variances = downloaded(variance_);

    for (size_t c = 0; c < channels; ++c) {
      double mean = 0, variance = 0, product = 0, sum = 0;
      for (size_t i = c; i < x.size(); i += channels) mean += static_cast<double>(x[i]) / rows;
      for (size_t i = c; i < x.size(); i += channels) variance += std::pow(static_cast<double>(x[i]) - mean, 2) / rows;
      const double deviation = std::sqrt(variance), w = static_cast<double>(weight[c]);
      for (size_t i = c; i < x.size(); i += channels) {
        sum += static_cast<double>(dy[i]);
        product += static_cast<double>(dy[i]) * (static_cast<double>(x[i]) - mean) / deviation;
      }
      EXPECT_FLOAT_EQ(means[c], static_cast<float>(mean));
      EXPECT_FLOAT_EQ(variances[c], static_cast<float>(variance));
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

TEST_F(BatchNormTest, IsExactWhereTheMeanIsMuchLargerThanTheDeviation) {
  expect_exact<3>();
  expect_exact<4>();
}

TEST_F(BatchNormTest, InferenceUsesTheStatisticsGiven) {
  const Numbers x{1, 10, 3, 20}, weight{2, 1}, bias{0.5f, -1}, mean{1, 12}, variance{3, 0};
  prepare({.channels = 2, .epsilon = 1}, 2);
  EXPECT_EQ(infer(x, weight, bias, mean, variance), (Numbers{0.5f, -3, 2.5f, 7}));
  prepare({.channels = 2, .epsilon = 1, .activation = Activation::relu}, 2);
  EXPECT_EQ(infer(x, weight, bias, mean, variance), (Numbers{0.5f, 0, 2.5f, 7}));
}

TEST_F(BatchNormTest, AConstantChannelGivesItsBias) {
  prepare({.pixels = 50, .channels = 2}, 3);
  Numbers x(300);
  for (size_t i = 0; i < x.size(); ++i) x[i] = i % 2 ? 0.1f : -7e6f;
  const Numbers y = forward(x, {3, 4}, {0.5f, -2});
  for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], i % 2 ? -2 : 0.5f);
  EXPECT_EQ(downloaded(variance_), (Numbers{0, 0}));
  EXPECT_EQ(downloaded(mean_), (Numbers{-7e6f, 0.1f}));
}

TEST_F(BatchNormTest, NaNStaysInItsChannel) {
  for (const size_t place : {1, 7, 13}) {
    prepare({.pixels = 5, .channels = 3, .activation = Activation::relu}, 1);
    Numbers x = testing::uniform(2, 0, 15);
    x[place] = NAN;
    const Numbers y = forward(x, {1, 1, 1}, {0, 0, 0});
    for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(std::isnan(y[i]), i % 3 == 1) << i;
    EXPECT_TRUE(std::isnan(downloaded(mean_)[1]) && std::isnan(downloaded(variance_)[1]));
  }
}

TEST_F(BatchNormTest, RunsInPlaceAndWithoutAnInputGradient) {
  for (const int64_t channels : {3, 600}) {
    prepare({.pixels = 21, .channels = channels}, 2);
    const Numbers x = testing::uniform(3, 0, 42 * channels), dy = testing::uniform(3, 1, 42 * channels);
    const Numbers weight = testing::uniform(3, 2, channels);
    EXPECT_EQ(forward(x, weight, weight, true), forward(x, weight, weight));
    const Gradients apart = backward(x, dy, weight);
    for (const Into into : {Into::same, Into::none}) {
      const Gradients other = backward(x, dy, weight, into);
      EXPECT_EQ(other.weight, apart.weight);
      EXPECT_EQ(other.bias, apart.bias);
      if (into == Into::same) {
        EXPECT_EQ(other.x, apart.x);
      }
    }
    EXPECT_THAT(apart.x, ::testing::Each(::testing::Truly([](float g) { return std::isfinite(g); })));
  }
}

TEST_F(BatchNormTest, RunningStatisticsTakeInTheUnbiasedVariance) {
  for (const int64_t batch : {1, 3}) {
    prepare({.channels = 2}, batch);
    device_->upload(mean_.data(), Numbers{3, -5}.data(), mean_.bytes());
    device_->upload(variance_.data(), Numbers{2, 0.5f}.data(), variance_.bytes());
    const OnDevice mean(*device_, Numbers{NAN, NAN}), variance(*device_, Numbers{NAN, NAN});
    op_->newest_statistics(context(), statistics(), 0.25f, mean.data(), variance.data());
    EXPECT_EQ(mean.values(), (Numbers{0.75f, -1.25f}));
    EXPECT_EQ(variance.values(), batch == 1 ? (Numbers{0.5f, 0.125f}) : (Numbers{0.75f, 0.1875f}));
  }
}

}  // namespace
}  // namespace convoy
