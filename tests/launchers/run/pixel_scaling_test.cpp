#include "launchers/run/pixel_scaling.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/launchers/error_of.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const ShardHeader grey = {.image = {28, 28, 1}, .mean = {72.94}, .deviation = {90.02}};
const ShardHeader colour = {.image = {32, 32, 3}, .mean = {125, 122, 114}, .deviation = {63, 62, 50}};

TEST(PixelScaling, OneNumberHoldsForAllChannels) {
  const PixelsSpec spec = pixel_scaling("128", "1/255", colour);
  EXPECT_THAT(spec.mean, ElementsAre(128.0f, 128.0f, 128.0f));
  EXPECT_THAT(spec.scale, ElementsAre(1.0f / 255, 1.0f / 255, 1.0f / 255));
  EXPECT_EQ(spec.input, colour.image);
}

TEST(PixelScaling, OneNumberPerChannel) {
  EXPECT_THAT(pixel_scaling("1,2,3", "1,1/2,0.25", colour).mean, ElementsAre(1.0f, 2.0f, 3.0f));
  EXPECT_THAT(pixel_scaling("1,2,3", "1,1/2,0.25", colour).scale, ElementsAre(1.0f, 0.5f, 0.25f));
}

TEST(PixelScaling, TheDatasetsOwn) {
  EXPECT_THAT(pixel_scaling("dataset", "dataset", colour).mean, ElementsAre(125.0f, 122.0f, 114.0f));
  EXPECT_THAT(pixel_scaling("dataset", "dataset", colour).scale, ElementsAre(1.0f / 63, 1.0f / 62, 1.0f / 50));
}

TEST(PixelScaling, WhatACheckpointKeepsGivesTheSameFloats) {
  const PixelsSpec before = pixel_scaling("dataset", "1/255", grey);
  const PixelsSpec after = pixel_scaling(channel_text(before.mean), channel_text(before.scale), grey);
  EXPECT_EQ(before.mean, after.mean);
  EXPECT_EQ(before.scale, after.scale);
}

std::string error(const std::string& mean, const std::string& scale, const ShardHeader& header) {
  return error_of(ExitCode::usage, [&] { pixel_scaling(mean, scale, header); });
}

TEST(PixelScaling, ErrorsNameKeyAndValue) {
  EXPECT_THAT(error("x", "1", grey), AllOf(HasSubstr("mean x"), HasSubstr("dataset")));
  EXPECT_THAT(error("0", "1/0", grey), HasSubstr("scale 1/0"));
  EXPECT_THAT(error("1,2", "1", colour), AllOf(HasSubstr("2 values"), HasSubstr("3 channels")));
  EXPECT_THAT(error("dataset", "1", {.image = {8, 8, 1}}), HasSubstr("mean dataset"));
  EXPECT_THAT(error("0", "dataset", {.image = {8, 8, 1}, .mean = {0}, .deviation = {0}}), HasSubstr("deviation is 0"));
}

}  // namespace
}  // namespace convoy
