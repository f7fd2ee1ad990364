#include "launchers/run/step_timing.hpp"

#include <gtest/gtest.h>

namespace convoy {
namespace {

constexpr double flops = 1000, bytes = 10;  // a second

MachinePeak peak_of(bool gpu) {
  return {.flops = flops, .bytes_copied = bytes, .gpu = gpu};
}

/// 4 seconds, of which arithmetic needs so many and memory so many.
LayerTiming layer(double computing, double copying) {
  return {.forward = 1, .backward = 3, .flops = computing * flops, .bytes = copying * bytes};
}

TEST(LayerTiming, OnAGpuTheFloorIsWhatTakesLonger) {
  EXPECT_DOUBLE_EQ(layer(2, 1).floor(peak_of(true)), 2);
  EXPECT_TRUE(layer(2, 1).bound_by_products(peak_of(true)));
  EXPECT_DOUBLE_EQ(layer(1, 3).floor(peak_of(true)), 3);
  EXPECT_FALSE(layer(1, 3).bound_by_products(peak_of(true)));
  EXPECT_DOUBLE_EQ(layer(0, 1).floor(peak_of(true)), 1);
}

TEST(LayerTiming, OnACpuItIsArithmeticForAllThatMultiply) {
  EXPECT_DOUBLE_EQ(layer(2, 1).floor(peak_of(false)), 2);
  EXPECT_DOUBLE_EQ(layer(1, 3).floor(peak_of(false)), 1);
  EXPECT_TRUE(layer(1, 3).bound_by_products(peak_of(false)));
  EXPECT_DOUBLE_EQ(layer(0, 3).floor(peak_of(false)), 3);
  EXPECT_FALSE(layer(0, 3).bound_by_products(peak_of(false)));
}

TEST(LayerTiming, TheShareIsThatOfTheFloorInItsTime) {
  EXPECT_DOUBLE_EQ(layer(2, 1).share_of(peak_of(true)), 0.5);
  EXPECT_DOUBLE_EQ(layer(1, 3).share_of(peak_of(true)), 0.75);
  EXPECT_DOUBLE_EQ(layer(1, 3).share_of(peak_of(false)), 0.25);
  EXPECT_EQ(LayerTiming{}.share_of(peak_of(true)), 0) << "a layer that was not run";
}

}  // namespace
}  // namespace convoy
