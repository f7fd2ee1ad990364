#include "core/ops/activation.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "core/base/error.hpp"

namespace convoy {
namespace {

const std::vector<Activation> all_functions{Activation::relu, Activation::leaky_relu, Activation::sigmoid,
                                            Activation::tanh};

std::vector<float> forward(Activation function, const std::vector<float>& x) {
  const auto device = make_cpu_device();
  std::vector<float> y(x.size());
  const ActivationSpec spec{.function = function, .count = static_cast<int64_t>(x.size()), .slope = 0.25f};
  make_activation(*device, spec, {})->forward({}, x.data(), y.data());
  return y;
}

TEST(Activation, ReluKeepsNaNAndStopsGradientsAtZero) {
  const auto device = make_cpu_device();
  // Long enough that every place is met in a vector loop and in its remainder.
  const std::vector<float> pattern{NAN, -1, 0, 2, -INFINITY, INFINITY, -0.0f};
  std::vector<float> x;
  for (int i = 0; i < 10; ++i) x.insert(x.end(), pattern.begin(), pattern.end());
  const auto relu = make_activation(*device, {.count = static_cast<int64_t>(x.size())}, {});
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

TEST(Activation, KeepsNaNAndReachesItsLimits) {
  std::vector<float> x;
  for (int i = 0; i < 21; ++i) x.insert(x.end(), {NAN, -NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 0});
  for (const Activation function : all_functions) {
    const std::vector<float> y = forward(function, x);
    const bool bounded = function == Activation::sigmoid || function == Activation::tanh;
    const float low = function == Activation::tanh ? -1 : 0;
    for (size_t i = 0; i < x.size(); i += 7) {
      EXPECT_TRUE(std::isnan(y[i]) && std::isnan(y[i + 1])) << static_cast<int>(function);
      EXPECT_EQ(y[i + 2], bounded ? 1 : INFINITY);
      EXPECT_EQ(y[i + 3], function == Activation::leaky_relu ? -INFINITY : low);
      EXPECT_EQ(y[i + 4], bounded ? 1 : 1e30f);
      EXPECT_EQ(y[i + 5], function == Activation::leaky_relu ? -0.25f * 1e30f : low);
      EXPECT_EQ(y[i + 6], function == Activation::sigmoid ? 0.5f : 0.0f);
    }
  }
}

/// Of y against the exact value, in units in the last place of a float of that size.
double error_in_ulps(float y, double exact) {
  // Below the normal numbers their spacing stays the same.
  const int exponent = std::max(std::ilogb(exact), -126);
  return std::abs(static_cast<double>(y) - exact) / std::ldexp(1.0, exponent - 23);
}

TEST(Activation, SigmoidAndTanhAreRightToAFewUnitsInTheLastPlace) {
  // A walk through the bits of all floats, of either sign.
  std::vector<float> x;
  for (uint32_t bits = 1; bits < 0x7f800000u; bits += 20011) {
    x.push_back(std::bit_cast<float>(bits));
    x.push_back(-x.back());
  }
  const std::vector<float> sigmoid = forward(Activation::sigmoid, x), tanh = forward(Activation::tanh, x);
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = static_cast<double>(x[i]);
    if (exact > -103) {  // there it falls below the smallest float
      ASSERT_LE(error_in_ulps(sigmoid[i], 1 / (1 + std::exp(-exact))), 3) << "sigmoid(" << x[i] << ")";
    }
    ASSERT_LE(error_in_ulps(tanh[i], std::tanh(exact)), 3) << "tanh(" << x[i] << ")";
  }
}

TEST(Activation, WorksInPlace) {
  const auto device = make_cpu_device();
  constexpr size_t n = 1003;
  for (const Activation function : all_functions) {
    std::vector<float> x(n), gradient(n, 3.0f), expected(n);
    for (size_t i = 0; i < n; ++i) x[i] = i % 2 ? 0.5f : -0.5f;
    const std::vector<float> y = forward(function, x);
    const auto op = make_activation(*device, {.function = function, .count = n, .slope = 0.25f}, {});
    op->forward({}, x.data(), x.data());
    EXPECT_EQ(x, y);
    op->backward({}, y.data(), gradient.data(), expected.data(), Write::overwrite);
    op->backward({}, y.data(), gradient.data(), gradient.data(), Write::overwrite);
    EXPECT_EQ(gradient, expected);
    EXPECT_NE(gradient[0], 3);
  }
}

TEST(Activation, RefusesWhatCannotBeToldFromItsResult) {
  const auto device = make_cpu_device();
  EXPECT_THROW(make_activation(*device, {.function = Activation::leaky_relu, .slope = -0.5f}, {}), Error);
  EXPECT_THROW(make_activation(*device, {.function = Activation::none}, {}), Error);
}

}  // namespace
}  // namespace convoy
