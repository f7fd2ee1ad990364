#include "core/ops/softmax.hpp"

#include <cmath>
#include <vector>

#include "tests/support/tested_device.hpp"

namespace convoy {
namespace {

using testing::OnDevice;

class SoftmaxTest : public testing::DeviceTest {
 protected:
  std::vector<float> probabilities(const std::vector<float>& scores) {
    const OnDevice x(*device_, scores);
    make(scores)->forward({}, x.data(), x.data());  // in place
    return x.values();
  }
  std::vector<float> logarithms(const std::vector<float>& scores) {
    const OnDevice x(*device_, scores);
    make(scores)->forward_log({}, x.data(), x.data());
    return x.values();
  }
  std::unique_ptr<Softmax> make(const std::vector<float>& x) {
    return make_softmax(*device_, {.classes = static_cast<int64_t>(x.size())}, {});
  }
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

/// Of so many classes that others may share their row than few.
TEST_F(SoftmaxTest, ManyClasses) {
  std::vector<float> x(21841, -1e4f);
  x[300] = 1;
  x[21840] = 1;
  const std::vector<float> y = probabilities(x), log = logarithms(x);
  for (size_t k = 0; k < x.size(); ++k) {
    const bool high = k == 300 || k == 21840;
    ASSERT_EQ(y[k], high ? 0.5f : 0) << k;
    ASSERT_FLOAT_EQ(log[k], (high ? 0 : -10001.0f) - std::log(2.0f)) << k;
  }
  x[20000] = NAN;
  EXPECT_TRUE(std::isnan(probabilities(x)[0]));
  EXPECT_TRUE(std::isnan(logarithms(x)[0]));
}

TEST_F(SoftmaxTest, GradientInPlace) {
  const std::vector<float> probabilities{0.25f, 0.5f, 0.25f};
  const OnDevice y(*device_, probabilities), dy(*device_, std::vector<float>{4, 0, 0});
  make(probabilities)->backward({}, y.data(), dy.data(), dy.data(), Write::overwrite);
  EXPECT_EQ(dy.values(), (std::vector<float>{0.75f, -0.5f, -0.25f}));
}

}  // namespace
}  // namespace convoy
