#include "core/ops/relu.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace convoy {
namespace {

TEST(Relu, KeepsNaNAndStopsGradientsAtZero) {
  const auto device = make_cpu_device();
  // Long enough that every place is met in a vector loop and in its remainder.
  const std::vector<float> pattern{NAN, -1, 0, 2, -INFINITY, INFINITY, -0.0f};
  std::vector<float> x;
  for (int i = 0; i < 10; ++i) x.insert(x.end(), pattern.begin(), pattern.end());
  const auto relu = make_relu(*device, {.count = static_cast<int64_t>(x.size())}, {});
  std::vector<float> y(x.size()), dx(x.size());
  relu->forward({}, x.data(), y.data());
  relu->backward({}, y.data(), std::vector<float>(x.size(), 1.0f).data(), dx.data(), Write::overwrite);
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) {
      EXPECT_TRUE(std::isnan(y[i])) << i;
    } else {
      EXPECT_EQ(y[i], x[i] > 0 ? x[i] : 0) << i;
      EXPECT_EQ(dx[i], x[i] > 0 ? 1 : 0) << i;
    }
  }
}

TEST(Relu, WorksInPlace) {
  const auto device = make_cpu_device();
  const auto relu = make_relu(*device, {.count = 40}, {});
  std::vector<float> x(40), gradient(40, 3.0f);
  for (size_t i = 0; i < x.size(); ++i) x[i] = i % 2 ? 1.0f : -1.0f;
  relu->forward({}, x.data(), x.data());
  relu->backward({}, x.data(), gradient.data(), gradient.data(), Write::overwrite);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(x[i], i % 2 ? 1 : 0);
    EXPECT_EQ(gradient[i], i % 2 ? 3 : 0);
  }
}

}  // namespace
}  // namespace convoy
