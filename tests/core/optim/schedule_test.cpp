// Schedules against PyTorch's (torch_sequences.py), Caffe's formulas worked out by hand, and what they refuse.
#include "core/optim/schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/error.hpp"
#include "tests/core/optim/torch_sequences.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Schedule, ConstantStays) {
  const Schedule schedule({.name = "constant", .rate = 0.25});
  EXPECT_EQ(schedule.rate(0), 0.25);
  EXPECT_EQ(schedule.rate(1'000'000), 0.25);
}

TEST(Schedule, FollowsPyTorch) {
  for (const TorchRates& torch : torch_rates) {
    const Schedule schedule(torch.options);
    for (size_t step = 0; step < torch.rates.size(); ++step) {
      // PyTorch multiplies its way from step to step.
      EXPECT_NEAR(schedule.rate(static_cast<int64_t>(step)), torch.rates[step], 1e-12) << torch.options.name << step;
    }
  }
}

TEST(Schedule, StepDropsEachStepSize) {
  const Schedule schedule({.name = "step", .rate = 0.5, .step_size = 100});
  EXPECT_DOUBLE_EQ(schedule.rate(0), 0.5);
  EXPECT_DOUBLE_EQ(schedule.rate(99), 0.5);
  EXPECT_DOUBLE_EQ(schedule.rate(100), 0.05);
  EXPECT_DOUBLE_EQ(schedule.rate(250), 0.005);
}

// Caffe's MNIST example: base_lr 0.01, lr_policy "inv", gamma 0.0001, power 0.75; its log tells the rates.
TEST(Schedule, InvIsCaffes) {
  const Schedule schedule({.name = "inv", .rate = 0.01, .gamma = 1e-4, .power = 0.75});
  EXPECT_DOUBLE_EQ(schedule.rate(0), 0.01);
  EXPECT_NEAR(schedule.rate(100), 0.00992565, 5e-9);
  EXPECT_NEAR(schedule.rate(5000), 0.00737788, 5e-9);
  EXPECT_NEAR(schedule.rate(9900), 0.00596843, 5e-9);
}

// Caffe's poly: base_lr (1 - iter / max_iter)^power.
TEST(Schedule, PolyIsCaffes) {
  const Schedule schedule({.name = "poly", .rate = 0.2, .power = 0.5, .total = 100});
  EXPECT_DOUBLE_EQ(schedule.rate(0), 0.2);
  EXPECT_DOUBLE_EQ(schedule.rate(75), 0.1);
  EXPECT_DOUBLE_EQ(schedule.rate(99), 0.02);
  EXPECT_EQ(schedule.rate(100), 0);
  EXPECT_EQ(schedule.rate(150), 0);
}

TEST(Schedule, CosineStaysWhereItEnds) {
  const Schedule schedule({.name = "cosine", .rate = 1, .min_rate = 0.25, .total = 10});
  EXPECT_DOUBLE_EQ(schedule.rate(5), 0.625);
  EXPECT_DOUBLE_EQ(schedule.rate(10), 0.25);
  EXPECT_DOUBLE_EQ(schedule.rate(25), 0.25);
}

TEST(Schedule, MultistepDropsAtEachMilestone) {
  const Schedule schedule({.name = "multistep", .rate = 1, .milestones = {0, 3, 3}});
  EXPECT_DOUBLE_EQ(schedule.rate(0), 0.1);
  EXPECT_DOUBLE_EQ(schedule.rate(2), 0.1);
  EXPECT_DOUBLE_EQ(schedule.rate(3), 0.001);
}

TEST(Schedule, WarmupRisesLinearlyToAnySchedule) {
  const std::vector<ScheduleOptions> all = {
      {.name = "constant"},
      {.name = "step", .step_size = 6},
      {.name = "multistep", .milestones = {2, 6}},
      {.name = "exponential", .gamma = 0.9},
      {.name = "inv", .gamma = 0.1, .power = 0.75},
      {.name = "poly", .total = 20},
      {.name = "cosine", .total = 20},
  };
  EXPECT_EQ(all.size(), schedule_names().size());
  for (ScheduleOptions options : all) {
    const Schedule plain(options);
    options.warmup = 4;
    const Schedule warm(options);
    for (int64_t step = 0; step < 20; ++step) {
      const double part = step < 4 ? static_cast<double>(step + 1) / 4 : 1;
      EXPECT_DOUBLE_EQ(warm.rate(step), part * plain.rate(step)) << options.name << " " << step;
    }
  }
}

std::string refusal(const ScheduleOptions& options) {
  try {
    const Schedule schedule(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "";
}

TEST(Schedule, WhatItLacksIsNamed) {
  EXPECT_THAT(refusal({.name = "step"}), AllOf(HasSubstr("schedule = step needs"), HasSubstr("step-size")));
  EXPECT_THAT(refusal({.name = "multistep"}), HasSubstr("milestones"));
  EXPECT_THAT(refusal({.name = "multistep", .milestones = {5, 3}}), HasSubstr("must rise"));
  EXPECT_THAT(refusal({.name = "multistep", .milestones = {-5, 3}}), HasSubstr("must rise"));
  EXPECT_THAT(refusal({.name = "exponential", .total = 10}), HasSubstr("needs gamma"));
  EXPECT_THAT(refusal({.name = "inv"}), HasSubstr("needs gamma"));
  EXPECT_THAT(refusal({.name = "poly"}), HasSubstr("number of steps"));
  EXPECT_THAT(refusal({.name = "cosine"}), HasSubstr("number of steps"));
  EXPECT_THAT(refusal({.name = "cosine", .rate = 0.1, .min_rate = 0.2, .total = 10}), HasSubstr("min-rate = 0.2"));
}

TEST(Schedule, AnUnknownNameIsAnErrorWithASuggestion) {
  EXPECT_EQ(refusal({.name = "stepp"}), "schedule 'stepp' is not known; did you mean 'step'?");
}

TEST(Schedule, TellsWhichKeysItMakesNoUseOf) {
  const ScheduleOptions all{.gamma = 0.5, .step_size = 5, .milestones = {1}, .power = 2, .min_rate = 0.001, .total = 9};
  const auto unused = [&](const std::string& name) {
    ScheduleOptions options = all;
    options.name = name;
    return unused_schedule_keys(options);
  };
  EXPECT_THAT(unused("constant"), ElementsAre("gamma", "step-size", "milestones", "power", "min-rate"));
  EXPECT_THAT(unused("multistep"), ElementsAre("step-size", "power", "min-rate"));
  EXPECT_THAT(unused("inv"), ElementsAre("step-size", "milestones", "min-rate"));
  EXPECT_THAT(unused("cosine"), ElementsAre("gamma", "step-size", "milestones", "power"));
  for (const std::string& name : schedule_names()) EXPECT_THAT(unused_schedule_keys({.name = name}), ElementsAre());
}

}  // namespace
}  // namespace convoy
