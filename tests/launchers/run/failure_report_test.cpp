#include "launchers/run/failure_report.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_folder.hpp"

namespace convoy {
namespace {

TEST(FailureReport, ALostWorkerWasInTheStepBeforeThisOnesAtLeast) {
  const Failure old_beat = {.rank = 1, .step = 3, .phase = "start"};
  const Failure found = with_own_knowledge(old_beat, {.step = 30, .phase = "training", .bucket = 2});
  EXPECT_EQ(found.step, 29);
  EXPECT_EQ(found.phase, "training");
  EXPECT_EQ(found.rank, 1);
}

TEST(FailureReport, ARecentBeatTellsMore) {
  const Failure beat = {.rank = 1, .step = 30, .phase = "input", .bucket = -1};
  const Failure found = with_own_knowledge(beat, {.step = 30, .phase = "training", .bucket = 2});
  EXPECT_EQ(found.step, 30);
  EXPECT_EQ(found.phase, "input");
  EXPECT_EQ(found.bucket, -1);
}

TEST(FailureReport, WithoutAnyBeatThePhaseIsThisOnes) {
  EXPECT_EQ(with_own_knowledge({.rank = 0}, {.step = 1, .phase = "training"}).phase, "training");
}

TEST(FailureReport, TheFileTellsThatTheRunHasFailed) {
  const TempFolder folder;
  EXPECT_FALSE(failure_reported(folder.path()));
  std::ofstream(folder / "failure.json") << "{}";
  EXPECT_TRUE(failure_reported(folder.path()));
}

}  // namespace
}  // namespace convoy
