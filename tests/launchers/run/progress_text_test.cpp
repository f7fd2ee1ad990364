#include "launchers/run/progress_text.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace convoy {
namespace {

TEST(ProgressText, IsOneLineOfAllThatMatters) {
  EXPECT_EQ(progress_text({.step = 2400,
                           .steps = 11250,
                           .epoch = 2.5678,
                           .epochs = 12,
                           .loss = 0.31209,
                           .accuracy = 0.8914,
                           .images_per_second = 8123.4,
                           .seconds_left = 71.6}),
            "epoch 2.56/12  step 2400/11250  loss 0.3121  accuracy 89.1 %  8,123 images/s  1 min 12 s left");
}

TEST(ProgressText, DurationsHaveTwoUnits) {
  EXPECT_EQ(duration_text(0.42), "0.4 s");
  EXPECT_EQ(duration_text(12.4), "12 s");
  EXPECT_EQ(duration_text(59.6), "1 min 00 s");
  EXPECT_EQ(duration_text(185), "3 min 05 s");
  EXPECT_EQ(duration_text(3600 * 2 + 60 * 14), "2 h 14 min");
  EXPECT_EQ(duration_text(86400 * 3 + 3600 * 4), "3 d 04 h");
  EXPECT_EQ(duration_text(std::numeric_limits<double>::infinity()), "?");
}

TEST(ProgressText, MillisecondsKeepWhatCounts) {
  EXPECT_EQ(milliseconds_text(0.0420), "42 ms");
  EXPECT_EQ(milliseconds_text(0.00314), "3.1 ms");
  EXPECT_EQ(milliseconds_text(0.0000412), "0.041 ms");
  EXPECT_EQ(milliseconds_text(1.2344), "1234 ms");
  EXPECT_EQ(milliseconds_text(75), "1 min 15 s");
}

TEST(ProgressText, RatesAndLossesKeepWhatCounts) {
  EXPECT_EQ(rate_text(45.46), "45.5 images/s");
  EXPECT_EQ(rate_text(9243.4), "9,243 images/s");
  EXPECT_EQ(loss_text(2.302585), "2.3026");
  EXPECT_EQ(loss_text(0.00012345), "0.0001234");
  EXPECT_EQ(percent_text(0.9134), "91.3 %");
}

StepReport report(int64_t step, double loss, double seconds) {
  return {.step = step, .epoch = static_cast<double>(step) / 10, .loss = loss, .accuracy = 0.5, .seconds = seconds};
}

TEST(ProgressMeter, IsTheMeanAtFirstAndFollowsLater) {
  ProgressMeter meter(1000, 64);
  meter.add(report(1, 3, 0.1));
  meter.add(report(2, 1, 0.3));
  ProgressFigures figures = meter.figures(0.5);
  EXPECT_DOUBLE_EQ(figures.loss, 2);
  EXPECT_DOUBLE_EQ(figures.images_per_second, 64 / 0.2);
  EXPECT_EQ(figures.step, 2);
  EXPECT_DOUBLE_EQ(figures.epochs, 100);
  EXPECT_DOUBLE_EQ(figures.seconds_left, 998 * 0.25) << "by the clock, so that evaluations count";

  for (int step = 3; step <= 500; ++step) meter.add(report(step, 0.25, 0.1));
  // The two early steps, 1.75 above the rest on average, weigh 0.98^450 of their mean's 2/50.
  EXPECT_NEAR(meter.figures(50).loss, 0.25, 1e-4);
}

TEST(ProgressMeter, AfterAResumeOnlyOwnStepsCountForTheTimeLeft) {
  ProgressMeter meter(1000, 64);
  meter.add(report(901, 1, 0.1));
  EXPECT_DOUBLE_EQ(meter.figures(0.2).seconds_left, 99 * 0.2);
}

}  // namespace
}  // namespace convoy
