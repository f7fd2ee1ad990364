#include "core/ops/loss.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "core/base/error.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy {
namespace {

using Kind = LossSpec::Kind;
using Numbers = std::vector<float>;
using Labels = std::vector<int32_t>;
using testing::OnDevice;

class LossTest : public testing::DeviceTest {
 protected:
  float loss(LossSpec spec, const Numbers& scores, int32_t label) {
    spec.classes = static_cast<int64_t>(scores.size());
    const OnDevice x(*device_, scores), out(*device_, Numbers{NAN});
    const OnDevice labels(*device_, Labels{label});
    make(spec)->forward({}, x.data(), labels.data(), out.data());
    return out.values()[0];
  }
  Numbers gradient(LossSpec spec, const Numbers& scores, int32_t label, float scale = 1) {
    spec.classes = static_cast<int64_t>(scores.size());
    const OnDevice x(*device_, scores), dx(*device_, Numbers(scores.size(), NAN));
    const OnDevice labels(*device_, Labels{label});
    make(spec)->backward({}, x.data(), labels.data(), scale, dx.data(), Write::overwrite);
    return dx.values();
  }
  std::unique_ptr<Loss> make(const LossSpec& spec, int64_t batch = 1) {
    return make_loss(*device_, spec, {.batch = batch});
  }
  std::string error(const LossSpec& spec) {
    try {
      make(spec);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::usage);
      return e.what();
    }
    return "no error";
  }

  const LossSpec softmax_{}, nll_{.kind = Kind::nll}, hinge_{.kind = Kind::hinge}, mse_{.kind = Kind::mse};
};

/// CS231n's lecture 3 and its notes on linear classification, with the digits given there.
TEST_F(LossTest, GivesTheLecturesNumbers) {
  EXPECT_NEAR(loss(hinge_, {3.2f, 5.1f, -1.7f}, 0), 2.9f, 1e-6f);
  EXPECT_EQ(loss(hinge_, {1.3f, 4.9f, 2.0f}, 1), 0);
  EXPECT_NEAR(loss(hinge_, {2.2f, 2.5f, -3.1f}, 2), 12.9f, 1e-6f);
  EXPECT_NEAR(loss(softmax_, {3.2f, 5.1f, -1.7f}, 0), 2.04f, 0.005f);

  LossSpec wide = hinge_;
  wide.margin = 10;
  EXPECT_EQ(loss(wide, {13, -7, 11}, 0), 8);
  wide.squared = true;
  EXPECT_EQ(loss(wide, {13, -7, 11}, 0), 64);

  EXPECT_NEAR(loss(hinge_, {-2.85f, 0.86f, 0.28f}, 2), 1.58f, 1e-6f);
  EXPECT_NEAR(loss(softmax_, {-2.85f, 0.86f, 0.28f}, 2), 1.04f, 0.005f);
}

TEST_F(LossTest, HingeCountsTheViolationsInItsGradient) {
  EXPECT_EQ(gradient(hinge_, {2, 5, 1.5f, -4}, 0), (Numbers{-2, 1, 1, 0}));
  LossSpec spec = hinge_;
  spec.squared = true;
  EXPECT_EQ(gradient(spec, {2, 5, 1.5f, -4}, 0), (Numbers{-9, 8, 1, 0}));
  spec.mean = true;
  EXPECT_EQ(loss(spec, {2, 5, 1.5f, -4}, 0), (16 + 0.25f) / 4);
  EXPECT_EQ(gradient(spec, {2, 5, 1.5f, -4}, 0, 0.5f), (Numbers{-9.0f / 8, 1, 0.125f, 0}));
  EXPECT_EQ(gradient(hinge_, {3, 2}, 0), (Numbers{0, 0})) << "at the kink itself";
}

TEST_F(LossTest, MeanSquaredError) {
  EXPECT_EQ(loss(mse_, {0.5f, 3, -1, 0}, 1), (0.25f + 4 + 1) / 4);
  EXPECT_EQ(gradient(mse_, {0.5f, 3, -1, 0}, 1), (Numbers{0.25f, 1, -0.5f, 0}));
  EXPECT_EQ(loss(mse_, {5}, 7), 4) << "a single score is compared with the label itself";
  EXPECT_EQ(gradient(mse_, {5}, 7), (Numbers{-4}));
}

/// torch.nn.CrossEntropyLoss(label_smoothing=s): (1 - s) times the loss of the label and s times the mean of those of
/// all classes. Here with log softmax([1, 2, 3]) = [-2.40760596, -1.40760596, -0.40760596].
TEST_F(LossTest, SmoothingIsPyTorchs) {
  LossSpec spec = softmax_;
  spec.smoothing = 0.1f;
  EXPECT_FLOAT_EQ(loss(spec, {1, 2, 3}, 2), 0.9f * 0.40760596f + 0.1f * 1.40760596f);
  EXPECT_FLOAT_EQ(loss(spec, {1, 2, 3}, 0), 0.9f * 2.40760596f + 0.1f * 1.40760596f);
  const Numbers dx = gradient(spec, {1, 2, 3}, 2);
  EXPECT_FLOAT_EQ(dx[0], 0.09003057f - 0.1f / 3);
  EXPECT_FLOAT_EQ(dx[1], 0.24472847f - 0.1f / 3);
  EXPECT_FLOAT_EQ(dx[2], 0.66524096f - 0.9f - 0.1f / 3);
}

TEST_F(LossTest, LargeScoresStayFinite) {
  EXPECT_FLOAT_EQ(loss(softmax_, {1000, 1001}, 0), 1.3132616875f);
  EXPECT_FLOAT_EQ(loss(softmax_, {-3e38f, 3e38f}, 1), 0);
  EXPECT_EQ(loss(softmax_, {1e4f, -1e4f, 0}, 1), 2e4f);
  EXPECT_EQ(gradient(softmax_, {1e30f, -1e30f}, 1), (Numbers{1, -1}));
  LossSpec smoothed = softmax_;
  smoothed.smoothing = 0.5f;
  EXPECT_EQ(loss(smoothed, {1e4f, -1e4f}, 0), 5000);
  EXPECT_EQ(loss(hinge_, {1e4f, -1e4f}, 1), 20001);
}

TEST_F(LossTest, SoftmaxIsRightToAMillionthEvenWhereItIsSmall) {
  for (const float margin : {0.0f, 1.0f, 10.0f, 20.0f, 60.0f}) {
    const double exact = std::log1p(2 * std::exp(-static_cast<double>(margin)));
    EXPECT_NEAR(static_cast<double>(loss(softmax_, {margin, 0, 0}, 0)), exact, 1e-6 * exact) << margin;
    const double slope = -2 / (2 + std::exp(static_cast<double>(margin)));
    EXPECT_NEAR(static_cast<double>(gradient(softmax_, {margin, 0, 0}, 0)[0]), slope, -1e-6 * slope) << margin;
  }
}

TEST_F(LossTest, SoftmaxOfManyClassesIsRightToAMillionth) {
  for (const float margin : {1.0f, 12.0f, 25.0f, 60.0f}) {
    Numbers x(21841);
    x[20001] = margin;
    const double exact = std::log1p(21840 * std::exp(-static_cast<double>(margin)));
    EXPECT_NEAR(static_cast<double>(loss(softmax_, x, 20001)), exact, 1e-6 * exact) << margin;
    EXPECT_FLOAT_EQ(loss(softmax_, x, 0), static_cast<float>(exact + static_cast<double>(margin)));
    const double slope = -21840 / (21840 + std::exp(static_cast<double>(margin)));
    EXPECT_NEAR(static_cast<double>(gradient(softmax_, x, 20001)[20001]), slope, -1e-6 * slope) << margin;
  }
}

TEST_F(LossTest, SoftmaxGradientAddsUpToZero) {
  for (const float smoothing : {0.0f, 0.2f}) {
    LossSpec spec = softmax_;
    spec.smoothing = smoothing;
    const Numbers dx = gradient(spec, {0.5f, -2, 3, 0.25f, 1}, 3);
    double sum = 0;
    for (const float g : dx) sum += static_cast<double>(g);
    EXPECT_NEAR(sum, 0, 1e-7);
    EXPECT_LT(dx[3], 0);
  }
}

TEST_F(LossTest, NaNInAnyScoreShows) {
  LossSpec smoothed = softmax_, squared = hinge_;
  smoothed.smoothing = 0.1f;
  squared.squared = true;
  for (const LossSpec& spec : {softmax_, smoothed, hinge_, squared, mse_}) {
    for (size_t place = 0; place < 3; ++place) {
      Numbers x{1, 2, 3};
      x[place] = NAN;
      for (const int32_t label : {0, 1, 2}) {
        EXPECT_TRUE(std::isnan(loss(spec, x, label))) << static_cast<int>(spec.kind) << ": " << place << ", " << label;
      }
      EXPECT_TRUE(std::isnan(gradient(spec, x, 1)[place])) << static_cast<int>(spec.kind) << ": " << place;
    }
  }
  EXPECT_TRUE(std::isnan(loss(nll_, {0, NAN}, 1)));
  EXPECT_FALSE(std::isfinite(loss(softmax_, {INFINITY, 1}, 1))) << "an overflowed score is a diverged run";
  EXPECT_FALSE(std::isfinite(loss(hinge_, {INFINITY, 1}, 1)));
}

TEST_F(LossTest, ClassWeightsAreTheLabels) {
  for (LossSpec spec : {softmax_, nll_, hinge_, mse_}) {
    const Numbers x{0.5f, -1, 0.25f};
    const float plain = loss(spec, x, 2);
    const Numbers dx = gradient(spec, x, 2);
    spec.class_weights = {7, 0, 4};
    EXPECT_EQ(loss(spec, x, 2), 4 * plain);
    EXPECT_EQ(loss(spec, x, 1), 0);
    EXPECT_EQ(gradient(spec, x, 2, 0.25f), dx);
    EXPECT_THAT(gradient(spec, x, 1), ::testing::Each(0));
  }
}

TEST_F(LossTest, NegativeLabelsAreLeftOut) {
  const OnDevice x(*device_, Numbers{1, 2, NAN, NAN, 3, 4});
  const OnDevice labels(*device_, Labels{1, -1, 0});
  for (LossSpec spec : {softmax_, nll_, hinge_, mse_}) {
    spec.classes = 2;
    spec.class_weights = {1, 1};
    const auto op = make(spec, 3);
    const OnDevice of_images(*device_, Numbers(3, NAN)), gradients(*device_, Numbers(6, NAN));
    const OnDevice sums(*device_, Numbers(6, 10));
    op->forward({}, x.data(), labels.data(), of_images.data());
    op->backward({}, x.data(), labels.data(), 1, gradients.data(), Write::overwrite);
    op->backward({}, x.data(), labels.data(), 1, sums.data(), Write::accumulate);
    const Numbers losses = of_images.values(), dx = gradients.values(), sum = sums.values();
    EXPECT_EQ(losses[1], 0);
    EXPECT_EQ(losses[2], loss(spec, {3, 4}, 0));
    EXPECT_EQ(dx[2], 0);
    EXPECT_EQ(dx[3], 0);
    EXPECT_EQ(sum[2], 10);
    EXPECT_EQ(sum[3], 10);
    EXPECT_EQ(sum[4], 10 + dx[4]);
  }
}

TEST_F(LossTest, WrongSettingsAreNamed) {
  EXPECT_EQ(error({.classes = 3, .class_weights = {1, 2}}),
            "loss: 2 class weights for 3 classes; give one weight per class, or none");
  EXPECT_EQ(error({.classes = 2, .class_weights = {1, -2}}),
            "loss: the weight of class 1 is -2; give a number that is not negative");
  EXPECT_THAT(error({.classes = 2, .class_weights = {NAN, 1}}), ::testing::HasSubstr("class 0 is nan"));
  EXPECT_THAT(error({.kind = Kind::mse, .class_weights = {1}}), ::testing::HasSubstr("leave the class weights out"));
  EXPECT_EQ(error({.classes = 2, .smoothing = 1}),
            "loss softmax: smoothing=1 is not a share of the target; give a number from 0 to below 1");
  EXPECT_THAT(error({.classes = 2, .smoothing = NAN}), ::testing::HasSubstr("smoothing=nan"));
  EXPECT_THAT(error({.kind = Kind::hinge, .margin = INFINITY}), ::testing::HasSubstr("margin=inf"));
}

}  // namespace
}  // namespace convoy
