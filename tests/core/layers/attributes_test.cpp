#include "core/layers/attributes.hpp"

#include <gtest/gtest.h>

namespace convoy {
namespace {

TEST(WindowOutputs, RoundsAsAsked) {
  EXPECT_EQ(window_outputs(7, 0, 0, 3, 3, 1, Fit::exact), -1);
  EXPECT_EQ(window_outputs(7, 0, 0, 3, 3, 1, Fit::floor), 2);
  EXPECT_EQ(window_outputs(7, 0, 0, 3, 3, 1, Fit::ceil), 3);
  EXPECT_EQ(window_outputs(7, 0, 0, 3, 2, 1, Fit::exact), 3);
  EXPECT_EQ(window_outputs(224, 2, 2, 11, 4, 1, Fit::floor), 55);
  EXPECT_EQ(window_outputs(7, 0, 0, 3, 1, 2, Fit::exact), 3);
  // The last window may not start in the trailing padding: 4 + 2, F=2, S=4 would have a second window at pixel 3 + 1.
  EXPECT_EQ(window_outputs(4, 1, 1, 2, 5, 1, Fit::ceil), 1);
  EXPECT_EQ(window_outputs(2, 0, 0, 3, 1, 1, Fit::floor), 0);
}

}  // namespace
}  // namespace convoy
