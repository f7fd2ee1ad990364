#include "core/optim/optimizer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include "core/base/error.hpp"
#include "core/optim/schedule.hpp"

namespace convoy {
namespace {

/// An arena in ordinary memory.
struct TestArena {
  explicit TestArena(SegmentTable t, int slots)
      : table(std::move(t)),
        storage(static_cast<std::byte*>(std::aligned_alloc(256, ParameterArena::bytes(table, slots))), &std::free),
        arena(table, slots, {storage.get(), ParameterArena::bytes(table, slots)}) {
    std::fill_n(storage.get(), ParameterArena::bytes(table, slots), std::byte{0});
  }
  SegmentTable table;
  std::unique_ptr<std::byte, decltype(&std::free)> storage;
  ParameterArena arena;
};

SegmentTable weight_and_bias() {
  SegmentTable table;
  table.add({.name = "fc1/weight", .shape = {3}});
  table.add({.name = "fc1/bias", .shape = {2}, .decay_multiplier = 0});
  return table;
}

/// Ten steps down f = sum of a x^2 with a = (.1, .2, .3) from x = 1.
std::vector<float> descend(const OptimizerOptions& options, float rate) {
  SegmentTable table;
  table.add({.name = "x", .shape = {3}});
  const auto optimizer = make_optimizer(options);
  TestArena test(std::move(table), static_cast<int>(optimizer->slots().size()));
  const auto x = test.arena.weights();
  for (int i = 0; i < 3; ++i) x[i] = 1;
  for (int step = 0; step < 10; ++step) {
    for (int i = 0; i < 3; ++i) test.arena.gradients()[i] = 2 * 0.1f * static_cast<float>(i + 1) * x[i];
    optimizer->update(test.arena, 0, test.table.size(), rate, step);
  }
  return {x.begin(), x.begin() + 3};
}

// Published with DeepMind's optimizer tests: rate .1, mu .5, ten steps. Ten fp32 steps carry a few 1e-7 of rounding.
TEST(Momentum, FollowsThePublishedSequence) {
  const auto x = descend({.name = "momentum", .momentum = 0.5f}, 0.1f);
  EXPECT_NEAR(x[0], .6848486952183, 1e-6);
  EXPECT_NEAR(x[1], .44803321781003, 1e-6);
  EXPECT_NEAR(x[2], .27431190123502, 1e-6);
}

TEST(Sgd, ShrinksByTheClosedForm) {
  const auto x = descend({.name = "sgd"}, 0.1f);
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(x[i], std::pow(1 - 0.1 * 0.2 * (i + 1), 10), 1e-6);
}

TEST(Optimizer, WeightDecayLeavesBiasesAlone) {
  for (const bool decay_bias : {false, true}) {
    for (const std::string& name : optimizer_names()) {
      const auto optimizer =
          make_optimizer({.name = name, .momentum = 0.9f, .weight_decay = 0.5f, .decay_bias = decay_bias});
      TestArena test(weight_and_bias(), static_cast<int>(optimizer->slots().size()));
      test.arena.weights()[0] = 2;
      test.arena.weights()[64] = 2;
      optimizer->update(test.arena, 0, test.table.size(), 0.1f, 0);
      EXPECT_FLOAT_EQ(test.arena.weights()[0], 2 - 0.1f * 0.5f * 2);
      EXPECT_FLOAT_EQ(test.arena.weights()[64], decay_bias ? 2 - 0.1f * 0.5f * 2 : 2);
    }
  }
}

TEST(Optimizer, RangesUpdateTheirPartOnlyAndAddUpToTheWhole) {
  for (const std::string& name : optimizer_names()) {
    const auto optimizer = make_optimizer({.name = name, .weight_decay = 0.1f});
    const int slots = static_cast<int>(optimizer->slots().size());
    TestArena whole(weight_and_bias(), slots), parts(weight_and_bias(), slots);
    for (TestArena* test : {&whole, &parts}) {
      for (size_t i : {0, 1, 2, 64, 65}) {
        test->arena.weights()[i] = static_cast<float>(i + 1);
        test->arena.gradients()[i] = 0.5f * static_cast<float>(i);
      }
    }
    optimizer->update(whole.arena, 0, whole.table.size(), 0.1f, 0);
    optimizer->update(parts.arena, 0, 2, 0.1f, 0);
    EXPECT_EQ(parts.arena.weights()[2], 3.0f);
    EXPECT_EQ(parts.arena.weights()[64], 65.0f);
    optimizer->update(parts.arena, 2, 65, 0.1f, 0);
    EXPECT_EQ(parts.arena.weights()[65], 66.0f);
    optimizer->update(parts.arena, 65, parts.table.size(), 0.1f, 0);
    for (size_t i = 0; i < whole.table.size(); ++i) EXPECT_EQ(whole.arena.weights()[i], parts.arena.weights()[i]) << i;
  }
}

TEST(Optimizer, AnUnknownNameIsAnErrorWithASuggestion) {
  try {
    make_optimizer({.name = "momentun"});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "optimizer 'momentun' is not known; did you mean 'momentum'?");
  }
}

TEST(Schedule, ConstantStays) {
  const Schedule schedule({.name = "constant", .rate = 0.25});
  EXPECT_EQ(schedule.rate(0), 0.25);
  EXPECT_EQ(schedule.rate(1'000'000), 0.25);
}

TEST(Schedule, StepDropsEachStepSize) {
  const Schedule schedule({.name = "step", .rate = 0.5, .gamma = 0.1, .step_size = 100});
  EXPECT_DOUBLE_EQ(schedule.rate(0), 0.5);
  EXPECT_DOUBLE_EQ(schedule.rate(99), 0.5);
  EXPECT_DOUBLE_EQ(schedule.rate(100), 0.05);
  EXPECT_DOUBLE_EQ(schedule.rate(250), 0.005);
}

TEST(Schedule, WarmupRisesLinearlyToTheRate) {
  const Schedule schedule({.name = "step", .rate = 0.5, .gamma = 0.1, .step_size = 6, .warmup = 4});
  EXPECT_DOUBLE_EQ(schedule.rate(0), 0.125);
  EXPECT_DOUBLE_EQ(schedule.rate(2), 0.375);
  EXPECT_DOUBLE_EQ(schedule.rate(3), 0.5);
  EXPECT_DOUBLE_EQ(schedule.rate(5), 0.5);
  EXPECT_DOUBLE_EQ(schedule.rate(6), 0.05);
}

TEST(Schedule, StepNeedsASize) {
  EXPECT_THROW(Schedule({.name = "step"}), Error);
}
TEST(Schedule, AnUnknownNameIsAnError) {
  EXPECT_THROW(Schedule({.name = "stepp"}), Error);
}

}  // namespace
}  // namespace convoy
