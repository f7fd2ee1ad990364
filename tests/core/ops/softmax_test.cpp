#include "core/ops/softmax.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace convoy {
namespace {

class SoftmaxTest : public ::testing::Test {
 protected:
  float loss(const std::vector<float>& x, int32_t label) {
    float out = 0;
    make(x)->cross_entropy({}, x.data(), &label, &out);
    return out;
  }
  std::vector<float> gradient(const std::vector<float>& x, int32_t label) {
    std::vector<float> dx(x.size());
    make(x)->cross_entropy_backward({}, x.data(), &label, 1, dx.data());
    return dx;
  }
  std::vector<float> probabilities(std::vector<float> x) {
    make(x)->forward({}, x.data(), x.data());  // in place
    return x;
  }
  std::unique_ptr<Softmax> make(const std::vector<float>& x) {
    return make_softmax(*device_, {.classes = static_cast<int64_t>(x.size())}, {});
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
};

TEST_F(SoftmaxTest, IsStableForLargeLogits) {
  EXPECT_EQ(probabilities({1e30f, 1e30f, -1e30f, -INFINITY}), (std::vector<float>{0.5f, 0.5f, 0, 0}));
  EXPECT_FLOAT_EQ(loss({1000, 1001}, 0), 1.3132616875f);
  EXPECT_FLOAT_EQ(loss({-3e38f, 3e38f}, 1), 0);
  EXPECT_EQ(gradient({1e30f, -1e30f}, 1), (std::vector<float>{1, -1}));
}

TEST_F(SoftmaxTest, LossIsRightToAMillionthEvenWhereItIsSmall) {
  for (const float margin : {0.0f, 1.0f, 10.0f, 20.0f, 60.0f}) {
    const double exact = std::log1p(2 * std::exp(-static_cast<double>(margin)));
    EXPECT_NEAR(static_cast<double>(loss({margin, 0, 0}, 0)), exact, 1e-6 * exact) << margin;
    const double gradient_exact = -2 / (2 + std::exp(static_cast<double>(margin)));
    EXPECT_NEAR(static_cast<double>(gradient({margin, 0, 0}, 0)[0]), gradient_exact, -1e-6 * gradient_exact) << margin;
  }
}

TEST_F(SoftmaxTest, GradientAddsUpToZero) {
  const std::vector<float> dx = gradient({0.5f, -2, 3, 0.25f, 1}, 3);
  double sum = 0;
  for (const float g : dx) sum += static_cast<double>(g);
  EXPECT_NEAR(sum, 0, 1e-7);
  EXPECT_LT(dx[3], 0);
}

TEST_F(SoftmaxTest, NaNInAnyLogitShows) {
  for (size_t place = 0; place < 3; ++place) {
    std::vector<float> x{1, 2, 3};
    x[place] = NAN;
    for (const int32_t label : {0, 1, 2}) EXPECT_TRUE(std::isnan(loss(x, label))) << place << ", label " << label;
    EXPECT_TRUE(std::isnan(probabilities(x)[1])) << place;
    EXPECT_TRUE(std::isnan(gradient(x, 1)[1])) << place;
  }
  EXPECT_FALSE(std::isfinite(loss({INFINITY, 1}, 1))) << "an overflowed logit is a diverged run";
}

}  // namespace
}  // namespace convoy
