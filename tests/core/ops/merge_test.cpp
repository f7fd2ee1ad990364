#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/ops/add.hpp"
#include "core/ops/concat.hpp"

namespace convoy {
namespace {

using Numbers = std::vector<float>;

TEST(AddTest, KeepsNaNUnderRelu) {
  const auto device = make_cpu_device();
  const auto op = make_add(*device, {.count = 4, .activation = Activation::relu}, {});
  const Numbers a{1, NAN, -5, 2}, b{1, 1, 1, -INFINITY};
  const std::vector<const float*> x{a.data(), b.data()};
  Numbers y(4);
  op->forward({}, x, y.data());
  EXPECT_EQ(y[0], 2);
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_EQ(y[2], 0);
  EXPECT_EQ(y[3], 0);
}

TEST(AddTest, OnlyTheWholeSumIsRectified) {
  const auto device = make_cpu_device();
  const auto op = make_add(*device, {.count = 1, .activation = Activation::relu}, {});
  const Numbers a{-5}, b{1}, c{7};
  Numbers y(1);
  op->forward({}, std::vector<const float*>{a.data(), b.data(), c.data()}, y.data());
  EXPECT_EQ(y[0], 3);
}

TEST(AddTest, RunsInPlaceAndInTheOrderGiven) {
  const auto device = make_cpu_device();
  const auto op = make_add(*device, {.count = 3000}, {.batch = 2});
  Numbers y(6000, 1e8f);
  const Numbers b(6000, -1e8f), c(6000, 1);
  op->forward({}, std::vector<const float*>{y.data(), b.data(), c.data()}, y.data());
  EXPECT_EQ(y, c) << "(1e8 - 1e8) + 1";
  op->forward({}, std::vector<const float*>{y.data(), y.data()}, y.data());
  EXPECT_EQ(y, Numbers(6000, 2)) << "a tensor and itself";
  op->backward({}, y.data(), y.data(), Write::overwrite);
  EXPECT_EQ(y, Numbers(6000, 2));
}

TEST(ConcatTest, PutsChannelsSideBySideInEachPixel) {
  const auto device = make_cpu_device();
  const auto op = make_concat(*device, {.pixels = 2, .channels = {1, 2}}, {});
  const Numbers a{1, 2}, b{10, 11, 20, 21};
  Numbers y(6), db(4, 100);
  op->forward({}, std::vector<const float*>{a.data(), b.data()}, y.data());
  EXPECT_EQ(y, (Numbers{1, 10, 11, 2, 20, 21}));
  op->backward({}, y.data(), 1, db.data(), Write::accumulate);
  EXPECT_EQ(db, (Numbers{110, 111, 120, 121}));
}

}  // namespace
}  // namespace convoy
