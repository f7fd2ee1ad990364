#include "core/ops/softmax.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace convoy {
namespace {

class SoftmaxTest : public ::testing::Test {
 protected:
  std::vector<float> probabilities(std::vector<float> x) {
    make(x)->forward({}, x.data(), x.data());  // in place
    return x;
  }
  std::vector<float> logarithms(std::vector<float> x) {
    make(x)->forward_log({}, x.data(), x.data());
    return x;
  }
  std::unique_ptr<Softmax> make(const std::vector<float>& x) {
    return make_softmax(*device_, {.classes = static_cast<int64_t>(x.size())}, {});
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
};

TEST_F(SoftmaxTest, IsStableForLargeLogits) {
  EXPECT_EQ(probabilities({1e30f, 1e30f, -1e30f, -INFINITY}), (std::vector<float>{0.5f, 0.5f, 0, 0}));
  EXPECT_EQ(logarithms({1e4f, -1e4f}), (std::vector<float>{0, -2e4f}));
  EXPECT_EQ(logarithms({3e38f, -INFINITY}), (std::vector<float>{0, -INFINITY}));
  EXPECT_FLOAT_EQ(logarithms({1000, 1001})[0], -1.3132616875f);
}

TEST_F(SoftmaxTest, LogarithmIsRightToAMillionthEvenNearZero) {
  for (const float margin : {0.0f, 1.0f, 10.0f, 20.0f, 60.0f}) {
    const std::vector<float> y = logarithms({margin, 0, 0});
    const double exact = -std::log1p(2 * std::exp(-static_cast<double>(margin)));
    EXPECT_NEAR(static_cast<double>(y[0]), exact, -1e-6 * exact) << margin;
    EXPECT_FLOAT_EQ(y[1], static_cast<float>(exact - static_cast<double>(margin)));
  }
}

TEST_F(SoftmaxTest, NaNInAnyLogitShows) {
  for (size_t place = 0; place < 3; ++place) {
    std::vector<float> x{1, 2, 3};
    x[place] = NAN;
    for (const size_t k : {0, 1, 2}) {
      EXPECT_TRUE(std::isnan(probabilities(x)[k])) << place << ", " << k;
      EXPECT_TRUE(std::isnan(logarithms(x)[k])) << place << ", " << k;
    }
  }
}

TEST_F(SoftmaxTest, GradientInPlace) {
  const std::vector<float> y{0.25f, 0.5f, 0.25f};
  std::vector<float> dy{4, 0, 0};
  make(y)->backward({}, y.data(), dy.data(), dy.data(), Write::overwrite);
  EXPECT_EQ(dy, (std::vector<float>{0.75f, -0.5f, -0.25f}));
}

}  // namespace
}  // namespace convoy
