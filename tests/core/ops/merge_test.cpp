// What the op cases do not show of add and concat: NaN, the order of sums, memory that is read and written, any
// alignment.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "core/ops/add.hpp"
#include "core/ops/concat.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy {
namespace {

using Numbers = std::vector<float>;
using Pointers = std::vector<const float*>;
using testing::OnDevice;

class MergeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = testing::tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
    device_ = testing::make_tested_device();
  }
  OnDevice<float> put(const Numbers& values) const { return {*device_, values}; }

  std::unique_ptr<Device> device_;
};

class AddTest : public MergeTest {};
class ConcatTest : public MergeTest {};

TEST_F(AddTest, KeepsNaNUnderRelu) {
  const auto op = make_add(*device_, {.count = 4, .activation = Activation::relu}, {});
  const auto a = put({1, NAN, -5, 2}), b = put({1, 1, 1, -INFINITY}), out = put(Numbers(4));
  op->forward({}, Pointers{a.data(), b.data()}, out.data());
  const Numbers y = out.values();
  EXPECT_EQ(y[0], 2);
  EXPECT_TRUE(std::isnan(y[1]));
  EXPECT_EQ(y[2], 0);
  EXPECT_EQ(y[3], 0);
}

TEST_F(AddTest, OnlyTheWholeSumIsRectified) {
  const auto op = make_add(*device_, {.count = 1, .activation = Activation::relu}, {});
  const auto a = put({-5}), b = put({1}), c = put({7}), y = put({0});
  op->forward({}, Pointers{a.data(), b.data(), c.data()}, y.data());
  EXPECT_EQ(y.values(), Numbers{3});
  // However many there are.
  Pointers many(30, a.data());
  many.insert(many.end(), 40, b.data());
  many.insert(many.end(), 20, c.data());
  op->forward({}, many, y.data());
  EXPECT_EQ(y.values(), Numbers{30});
}

TEST_F(AddTest, RunsInPlaceAndInTheOrderGiven) {
  const auto op = make_add(*device_, {.count = 3000}, {.batch = 2});
  const auto y = put(Numbers(6000, 1e8f)), b = put(Numbers(6000, -1e8f)), c = put(Numbers(6000, 1));
  op->forward({}, Pointers{y.data(), b.data(), c.data()}, y.data());
  EXPECT_EQ(y.values(), Numbers(6000, 1)) << "(1e8 - 1e8) + 1";
  op->forward({}, Pointers{y.data(), y.data()}, y.data());
  EXPECT_EQ(y.values(), Numbers(6000, 2)) << "a tensor and itself";
  op->backward({}, y.data(), y.data(), Write::overwrite);
  EXPECT_EQ(y.values(), Numbers(6000, 2));
}

TEST_F(AddTest, TakesAnyAlignment) {
  Numbers counted(20);
  std::iota(counted.begin(), counted.end(), 0.0f);
  const auto op = make_add(*device_, {.count = 16}, {});
  for (int which = 0; which < 4; ++which) {
    const auto a = put(counted), b = put(counted), c = put(counted), y = put(Numbers(20, -1));
    const auto at = [&](int i) { return i == which ? 1 : 0; };
    op->forward({}, Pointers{a.data() + at(0), b.data() + at(1), c.data() + at(2)}, y.data() + at(3));
    op->backward({}, y.data() + at(3), a.data() + at(0), Write::accumulate);
    const Numbers sums = y.values(), gradients = a.values();
    for (int i = 0; i < 16; ++i) {
      const auto expected = static_cast<float>(3 * i + (which < 3 ? 1 : 0));
      EXPECT_EQ(sums[static_cast<size_t>(i + at(3))], expected);
      EXPECT_EQ(gradients[static_cast<size_t>(i + at(0))], static_cast<float>(i + at(0)) + expected);
    }
    EXPECT_EQ(sums.back(), -1) << "nothing is written past the end";
  }
}

TEST_F(AddTest, TakesTensorsOfAnySize) {
  // More elements than a GPU is given threads; not aligned, so that a thread takes one at a time.
  Numbers counted(600002);
  std::iota(counted.begin(), counted.end(), 0.0f);
  const auto op = make_add(*device_, {.count = 600001}, {});
  const auto a = put(counted), y = put(counted);
  op->forward({}, Pointers{a.data() + 1, a.data()}, y.data() + 1);
  op->backward({}, y.data() + 1, a.data(), Write::accumulate);
  const Numbers sums = y.values(), gradients = a.values();
  for (size_t i = 0; i < 600001; ++i) {
    ASSERT_EQ(sums[i + 1], static_cast<float>(2 * i + 1));
    ASSERT_EQ(gradients[i], static_cast<float>(3 * i + 1));
  }
}

TEST_F(ConcatTest, PutsChannelsSideBySideInEachPixel) {
  const auto op = make_concat(*device_, {.pixels = 2, .channels = {1, 2}}, {});
  const auto a = put({1, 2}), b = put({10, 11, 20, 21}), y = put(Numbers(6)), db = put(Numbers(4, 100));
  op->forward({}, Pointers{a.data(), b.data()}, y.data());
  EXPECT_EQ(y.values(), (Numbers{1, 10, 11, 2, 20, 21}));
  op->backward({}, y.data(), 1, db.data(), Write::accumulate);
  EXPECT_EQ(db.values(), (Numbers{110, 111, 120, 121}));
}

TEST_F(ConcatTest, TakesTensorsOfAnySize) {
  const int64_t pixels = 300001;
  const auto op = make_concat(*device_, {.pixels = pixels, .channels = {1, 1}}, {});
  Numbers counted(static_cast<size_t>(pixels));
  std::iota(counted.begin(), counted.end(), 0.0f);
  const auto a = put(counted), b = put(Numbers(counted.rbegin(), counted.rend())), y = put(Numbers(2 * counted.size()));
  op->forward({}, Pointers{a.data(), b.data()}, y.data());
  const Numbers both = y.values();
  for (size_t i = 0; i < counted.size(); ++i) {
    ASSERT_EQ(both[2 * i], static_cast<float>(i));
    ASSERT_EQ(both[2 * i + 1], static_cast<float>(counted.size() - 1 - i));
  }
}

TEST_F(ConcatTest, TakesAnyAlignment) {
  Numbers counted(12);
  std::iota(counted.begin(), counted.end(), 0.0f);
  const auto two = make_concat(*device_, {.pixels = 2, .channels = {4, 4}}, {}),
             one = make_concat(*device_, {.channels = {8}}, {});
  const auto a = put(counted), b = put(counted), y = put(Numbers(20, -1)), da = put(Numbers(12, -1));
  two->forward({}, Pointers{a.data(), b.data() + 1}, y.data());
  EXPECT_EQ(y.values(), (Numbers{0, 1, 2, 3, 1, 2, 3, 4, 4, 5, 6, 7, 5, 6, 7, 8, -1, -1, -1, -1}));
  two->backward({}, y.data() + 1, 0, da.data(), Write::overwrite);
  EXPECT_EQ(da.values(), (Numbers{1, 2, 3, 1, 5, 6, 7, 5, -1, -1, -1, -1}));
  two->forward({}, Pointers{a.data(), b.data()}, y.data() + 1);
  EXPECT_EQ(y.values(), (Numbers{0, 0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7, -1, -1, -1}));
  one->forward({}, Pointers{a.data() + 1}, da.data() + 2);
  EXPECT_EQ(da.values(), (Numbers{1, 2, 1, 2, 3, 4, 5, 6, 7, 8, -1, -1}));
}

}  // namespace
}  // namespace convoy
