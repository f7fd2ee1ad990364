#include "launchers/run/lane_choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/launchers/error_of.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string usage_error(const LaneQuestion& question) {
  return error_of(ExitCode::usage, [&] { choose_lanes(question); });
}

TEST(LaneChoice, SmallNetsGiveEachThreadALane) {
  const LaneChoice choice = choose_lanes({.batch = 64, .workers = 2, .threads = 4, .parameters = 431080});
  EXPECT_EQ(choice.worker.lanes, 4);
  EXPECT_EQ(choice.worker.lane_batch, 8);
  EXPECT_EQ(choice.worker.teams(), 4);
  EXPECT_EQ(choice.worker.threads_per_team(), 1);
  EXPECT_EQ(choice.worker.global_batch, 64);
  EXPECT_EQ(choice.total_lanes, 8);
}

TEST(LaneChoice, LargeNetsAndOddSharesTakeOneLane) {
  for (const LaneQuestion& question : {LaneQuestion{.batch = 64, .threads = 4, .parameters = 61'000'000},
                                       LaneQuestion{.batch = 66, .threads = 4, .parameters = 1000}}) {
    const LaneChoice choice = choose_lanes(question);
    EXPECT_EQ(choice.worker.lanes, 1);
    EXPECT_EQ(choice.worker.lane_batch, question.batch);
    EXPECT_EQ(choice.worker.threads_per_team(), 4);
  }
}

TEST(LaneChoice, ExactTakesEightLanesAtAnyWorkerAndThreadCount) {
  for (const int workers : {1, 2, 4, 8}) {
    for (const int threads : {1, 2, 3, 16}) {
      const LaneChoice choice =
          choose_lanes({.batch = 64, .workers = workers, .threads = threads, .parameters = 1, .bits = Bits::exact});
      EXPECT_EQ(choice.total_lanes, 8);
      EXPECT_EQ(choice.worker.lanes * workers, 8);
      EXPECT_EQ(choice.worker.lane_batch, 8);
      EXPECT_EQ(choice.worker.threads_per_team(), 1) << "a lane is computed by one thread";
    }
  }
}

TEST(LaneChoice, LanesAskedForHoldWithoutExactToo) {
  const LaneChoice choice = choose_lanes({.batch = 64, .workers = 2, .threads = 4, .lanes = 4});
  EXPECT_EQ(choice.worker.lanes, 2);
  EXPECT_EQ(choice.worker.threads_per_team(), 2);
}

TEST(LaneChoice, WhatDoesNotDivideTellsTheNumbersAndTheNearestThatDo) {
  EXPECT_THAT(usage_error({.batch = 64, .workers = 3}),
              AllOf(HasSubstr("batch 64"), HasSubstr("3 workers"), HasSubstr("--batch 63")));
  EXPECT_THAT(usage_error({.batch = 1, .workers = 4}), HasSubstr("--batch 4"));
  EXPECT_THAT(usage_error({.batch = 36, .bits = Bits::exact}),
              AllOf(HasSubstr("batch 36"), HasSubstr("8 lanes"), HasSubstr("--batch 40")));
  EXPECT_THAT(usage_error({.batch = 60, .lanes = 6, .bits = Bits::exact}),
              AllOf(HasSubstr("lanes 6"), HasSubstr("power of two"), HasSubstr("--lanes 4")));
  EXPECT_THAT(usage_error({.batch = 64, .workers = 16, .bits = Bits::exact}),
              AllOf(HasSubstr("lanes 8"), HasSubstr("16 workers"), HasSubstr("--lanes 16")));
  EXPECT_THAT(usage_error({.batch = 66, .workers = 3, .bits = Bits::exact}),
              AllOf(HasSubstr("3 workers"), HasSubstr("1, 2, 4, 8")));
}

TEST(LaneChoice, AMicroBatchIsWhatAWorkerComputesAtOnce) {
  LaneChoice choice = choose_lanes({.batch = 64, .workers = 2, .threads = 4, .micro_batch = 8, .parameters = 1000});
  EXPECT_EQ(choice.worker.lanes, 4);
  EXPECT_EQ(choice.worker.lane_batch, 2);
  EXPECT_EQ(choice.worker.passes, 4);
  EXPECT_EQ(choice.worker.global_batch, 64);
  choice = choose_lanes({.batch = 64, .threads = 4, .micro_batch = 2, .parameters = 1000});
  EXPECT_EQ(choice.worker.lanes, 1) << "two images are not four lanes";
  EXPECT_EQ(choice.worker.lane_batch, 2);
  EXPECT_EQ(choice.worker.passes, 32);
  choice = choose_lanes({.batch = 64, .threads = 4, .micro_batch = 16, .parameters = 61'000'000});
  EXPECT_EQ(choice.worker.lane_batch, 16);
  EXPECT_EQ(choice.worker.passes, 4);
}

TEST(LaneChoice, AMicroBatchOfTheWholeShareOrMoreIsOnePass) {
  for (const int64_t micro_batch : {32, 64, 100}) {
    const LaneChoice choice =
        choose_lanes({.batch = 64, .workers = 2, .threads = 4, .micro_batch = micro_batch, .parameters = 1000});
    EXPECT_EQ(choice.worker.passes, 1);
    EXPECT_EQ(choice.worker.lane_batch, 8);
  }
}

TEST(LaneChoice, LanesAskedForAreSplitIntoPasses) {
  // Eight lanes of 8 images, two of them at once.
  LaneChoice choice = choose_lanes({.batch = 64, .threads = 2, .lanes = 8, .micro_batch = 8});
  EXPECT_EQ(choice.worker.lanes, 8);
  EXPECT_EQ(choice.worker.lane_batch, 4);
  EXPECT_EQ(choice.worker.passes, 2);
  choice = choose_lanes({.batch = 64, .threads = 2, .lanes = 8, .micro_batch = 16});
  EXPECT_EQ(choice.worker.passes, 1) << "only 16 images are in the lanes at once anyway";
}

TEST(LaneChoice, AMicroBatchThatDoesNotFitTellsTheNearestThatDoes) {
  EXPECT_THAT(
      usage_error({.batch = 64, .workers = 2, .micro_batch = 12}),
      AllOf(HasSubstr("micro-batch 12"), HasSubstr("32 images"), HasSubstr("batch 64"), HasSubstr("--micro-batch 8")));
  EXPECT_THAT(usage_error({.batch = 96, .micro_batch = 47}), HasSubstr("--micro-batch 48"));
  EXPECT_THAT(usage_error({.batch = 64, .threads = 2, .lanes = 8, .micro_batch = 3}),
              AllOf(HasSubstr("16 images"), HasSubstr("2 lanes"), HasSubstr("--micro-batch 2")));
  EXPECT_THAT(usage_error({.batch = 64, .micro_batch = 8, .bits = Bits::exact}),
              AllOf(HasSubstr("micro-batch 8"), HasSubstr("exact"), HasSubstr("--lanes")));
}

}  // namespace
}  // namespace convoy
