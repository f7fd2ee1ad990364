// Optimizers: published sequences, what decay and averages are for, and what is refused. Their formulas are compared
// with PyTorch and with float64 in optimizer_reference_test.cpp.
#include "core/optim/optimizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/base/error.hpp"
#include "tests/core/optim/tested_optimizer.hpp"

namespace convoy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using OptimizerTest = testing::DeviceTest;
using Momentum = OptimizerTest;
using Adam = OptimizerTest;
using Sgd = OptimizerTest;
using Clipping = OptimizerTest;
using Lars = OptimizerTest;

SegmentTable weight_and_bias() {
  SegmentTable table;
  table.add({.name = "fc1/weight", .shape = {3}});
  table.add({.name = "fc1/bias", .shape = {2}, .decay_multiplier = 0, .role = Segment::Role::bias});
  return table;
}

/// Ten steps down f = sum of a x^2 with a = (.1, .2, .3) from x = 1.
std::vector<float> descend(const OptimizerOptions& options, float rate) {
  SegmentTable table;
  table.add({.name = "x", .shape = {3}});
  const TestedOptimizer test(std::move(table), options);
  const auto x = test.weights(0);
  for (float& value : x) value = 1;
  for (int step = 0; step < 10; ++step) {
    for (int i = 0; i < 3; ++i) test.gradients(0)[i] = 2 * 0.1f * static_cast<float>(i + 1) * x[i];
    test.take_step(rate, step);
  }
  return {x.begin(), x.end()};
}

// Published with DeepMind's optimizer tests: rate .1, mu .5, ten steps. Ten fp32 steps carry a few 1e-7 of rounding.
TEST_F(Momentum, FollowsThePublishedSequence) {
  const auto x = descend({.name = "momentum", .momentum = 0.5f}, 0.1f);
  EXPECT_NEAR(x[0], .6848486952183, 1e-6);
  EXPECT_NEAR(x[1], .44803321781003, 1e-6);
  EXPECT_NEAR(x[2], .27431190123502, 1e-6);
}

// Likewise, rate .01.
TEST_F(Adam, FollowsThePublishedSequence) {
  const auto x = descend({.name = "adam"}, 0.01f);
  EXPECT_NEAR(x[0], .90034972, 1e-6);
  EXPECT_NEAR(x[1], .90034968, 1e-6);
  EXPECT_NEAR(x[2], .90034967, 1e-6);
}

TEST_F(Sgd, ShrinksByTheClosedForm) {
  const auto x = descend({.name = "sgd"}, 0.1f);
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(x[i], std::pow(1 - 0.1 * 0.2 * (i + 1), 10), 1e-6);
}

TEST_F(OptimizerTest, EachOneDescends) {
  for (const std::string& name : optimizer_names()) {
    for (const float x : descend({.name = name, .trust = 0.1}, name == "adadelta" ? 1.0f : 0.01f)) {
      EXPECT_LT(x, 0.999f) << name;
      EXPECT_GT(x, 0) << name;
    }
  }
}

TEST_F(OptimizerTest, DecayLeavesBiasesAlone) {
  for (const bool decay_bias : {false, true}) {
    for (const OptimizerOptions& penalty : {OptimizerOptions{.weight_decay = 0.5f}, OptimizerOptions{.l1 = 1}}) {
      for (const std::string& name : optimizer_names()) {
        OptimizerOptions options = penalty;
        options.name = name;
        options.decay_bias = decay_bias;
        const TestedOptimizer test(weight_and_bias(), options);
        test.weights(0)[0] = 2;
        test.weights(0)[1] = -2;
        test.weights(1)[0] = 2;
        test.take_step(0.1f, 0);
        EXPECT_LT(test.weights(0)[0], 2) << name;
        EXPECT_GT(test.weights(0)[1], -2) << name;
        EXPECT_EQ(test.weights(0)[2], 0) << name;
        EXPECT_EQ(test.weights(1)[0] < 2, decay_bias) << name;
        // |w| and w^2 / 4 have the same slope at 2.
        if (name == "sgd" || name == "momentum") {
          EXPECT_FLOAT_EQ(test.weights(0)[0], 2 - 0.1f) << name;
        }
      }
    }
  }
}

TEST_F(OptimizerTest, RangesUpdateTheirPartOnly) {
  for (const std::string& name : optimizer_names()) {
    const TestedOptimizer test(weight_and_bias(), {.name = name, .weight_decay = 0.1f});
    if (test.optimizer->norm_need() != NormNeed::none) continue;
    for (const size_t i : {0, 1, 2, 64, 65}) test.arena.weights()[i] = test.arena.gradients()[i] = 1;
    test.to_device();
    test.optimizer->update(test.on_device, 1, 65, {.rate = 0.1f});
    test.from_device();
    for (const size_t i : {1, 2, 64}) EXPECT_LT(test.arena.weights()[i], 1) << name;
    for (const size_t i : {0, 65}) EXPECT_EQ(test.arena.weights()[i], 1) << name;
    for (const size_t i : {3, 63, 66}) EXPECT_EQ(test.arena.weights()[i], 0) << name << ": padding stays zero";
  }
}

TEST_F(OptimizerTest, ARunningAverageIsUpdatedAsOneWhateverTheOptimizer) {
  for (const std::string& name : optimizer_names()) {
    SegmentTable table;
    table.add({.name = "bn1/mean", .shape = {2}, .rate_multiplier = 3, .average_rate = 0.25f});
    table.add({.name = "bn1/scale", .shape = {2}});
    const TestedOptimizer test(std::move(table), {.name = name, .clip_norm = 1e-3, .weight_decay = 1, .l1 = 1});
    test.weights(0)[0] = 4;
    test.gradients(0)[0] = 8;
    test.gradients(0)[1] = -1000;  // clips nothing
    test.gradients(1)[0] = 0.5e-3f;
    test.take_step(0.5f, 0);
    EXPECT_EQ(test.weights(0)[0], 5) << name;
    EXPECT_EQ(test.weights(0)[1], -250) << name;
    for (int slot = 0; slot < test.arena.slots(); ++slot) {
      EXPECT_EQ(test.arena.slot(slot)[0], 0) << name << ": it has no state";
    }
    if (name == "sgd") {
      EXPECT_FLOAT_EQ(test.weights(1)[0], -0.25e-3f);
    }
  }
}

TEST_F(Clipping, ScalesAllGradientsToTheNormTogether) {
  const TestedOptimizer test(weight_and_bias(), {.name = "sgd", .clip_norm = 1});
  test.gradients(0)[1] = 3;
  test.gradients(1)[0] = -4;
  test.take_step(1, 0);
  EXPECT_FLOAT_EQ(test.weights(0)[1], -0.6f);
  EXPECT_FLOAT_EQ(test.weights(1)[0], 0.8f);
  // Below the norm nothing changes, not by a bit.
  const TestedOptimizer small(weight_and_bias(), {.name = "sgd", .clip_norm = 1});
  small.gradients(0)[1] = 0.7f;
  small.take_step(1, 0);
  EXPECT_EQ(small.weights(0)[1], -0.7f);
}

TEST_F(Clipping, OfAGradientThatIsNoNumberShowsInTheWeights) {
  for (const float bad : {NAN, INFINITY}) {
    const TestedOptimizer test(weight_and_bias(), {.name = "sgd", .clip_norm = 1});
    test.gradients(0)[1] = bad;
    test.gradients(1)[0] = 1;
    test.take_step(1, 0);
    EXPECT_TRUE(std::isnan(test.weights(1)[0])) << "the next loss must tell that the run has diverged";
  }
}

TEST_F(OptimizerTest, DecayBiasLeavesWhatTheNetworkSays) {
  for (const auto& [role, decays] :
       {std::pair{Segment::Role::bias, true}, {Segment::Role::bias_with_own_decay, false}}) {
    SegmentTable table;
    table.add({.name = "fc1/bias", .shape = {1}, .decay_multiplier = 0, .role = role});
    const TestedOptimizer test(table, {.name = "sgd", .weight_decay = 0.5f, .decay_bias = true});
    test.weights(0)[0] = 2;
    test.take_step(0.1f, 0);
    EXPECT_EQ(test.weights(0)[0] < 2, decays);
  }
}

TEST_F(Lars, ScalesWeightsThatDoNotDecay) {
  SegmentTable table;
  table.add({.name = "fc1/weight", .shape = {1}, .decay_multiplier = 0});
  const TestedOptimizer test(table, {.name = "lars", .trust = 0.5, .weight_decay = 0.2f});
  test.weights(0)[0] = 4, test.gradients(0)[0] = 8;
  test.take_step(0.1f, 0);
  EXPECT_FLOAT_EQ(test.weights(0)[0], 4 - 0.1f * (0.5f * 4 / 8) * 8);
}

TEST_F(Lars, TakesItsRateFromTheNormsOfEachSegment) {
  // trust |w| / (|g| + decay |w|) = 0.5 * 5 / (10 + 0.2 * 5)
  const float local = 0.5f * 5 / 11;
  const TestedOptimizer test(weight_and_bias(), {.name = "lars", .momentum = 0.5f, .trust = 0.5, .weight_decay = 0.2f});
  test.weights(0)[0] = 3, test.weights(0)[2] = -4;
  test.gradients(0)[0] = 6, test.gradients(0)[1] = 8;
  test.weights(1)[0] = 1, test.gradients(1)[0] = 2;
  test.take_step(0.1f, 0);
  EXPECT_FLOAT_EQ(test.weights(0)[0], 3 - 0.1f * local * (6 + 0.2f * 3));
  EXPECT_FLOAT_EQ(test.weights(0)[1], -0.1f * local * 8);
  EXPECT_FLOAT_EQ(test.weights(0)[2], -4 + 0.1f * local * 0.2f * 4);
  EXPECT_FLOAT_EQ(test.weights(1)[0], 1 - 0.1f * 2) << "a bias takes the rate as it is";
  EXPECT_FLOAT_EQ(test.arena.slot(0)[1], local * 8);
}

TEST_F(Lars, WeightsThatAreZeroLearnAsWithMomentum) {
  const TestedOptimizer test(weight_and_bias(), {.name = "lars", .weight_decay = 0.2f});
  test.gradients(0)[0] = 6;
  test.take_step(0.1f, 0);
  EXPECT_FLOAT_EQ(test.weights(0)[0], -0.6f);
  EXPECT_EQ(test.weights(1)[0], 0);
}

TEST_F(OptimizerTest, TellsItsStateAndWhetherItNeedsNorms) {
  EXPECT_THAT(make_optimizer({.name = "sgd"})->slots(), ElementsAre());
  EXPECT_THAT(make_optimizer({.name = "adam"})->slots(), ElementsAre("first_moment", "second_moment"));
  EXPECT_THAT(make_optimizer({.name = "rmsprop"})->slots(), ElementsAre("square_average"));
  EXPECT_THAT(make_optimizer({.name = "rmsprop", .momentum = 0.5f})->slots(),
              ElementsAre("square_average", "momentum"));
  EXPECT_EQ(make_optimizer({.name = "adam"})->norm_need(), NormNeed::none);
  EXPECT_EQ(make_optimizer({.name = "adam", .clip_norm = 1})->norm_need(), NormNeed::gradients);
  EXPECT_EQ(make_optimizer({.name = "lars"})->norm_need(), NormNeed::gradients_and_weights);
}

std::string refusal(const OptimizerOptions& options) {
  try {
    make_optimizer(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "";
}

TEST_F(OptimizerTest, AnUnknownNameIsAnErrorWithASuggestion) {
  EXPECT_EQ(refusal({.name = "momentun"}), "optimizer 'momentun' is not known; did you mean 'momentum'?");
}

TEST_F(OptimizerTest, ValuesOutOfRangeAreRefused) {
  EXPECT_THAT(refusal({.momentum = 1}), HasSubstr("momentum = 1: expected"));
  EXPECT_THAT(refusal({.name = "adam", .beta1 = 1}), HasSubstr("beta1 = 1: expected a number from 0 to below 1"));
  EXPECT_THAT(refusal({.name = "adamw", .beta2 = 1.5}), HasSubstr("beta2 = 1.5"));
  EXPECT_THAT(refusal({.name = "rmsprop", .decay_rate = 1}), HasSubstr("decay-rate = 1"));
  EXPECT_THAT(refusal({.name = "adam", .epsilon = -2}), HasSubstr("epsilon = -2: expected a number, at least 0"));
  EXPECT_THAT(refusal({.clip_norm = -1}), HasSubstr("clip-norm"));
  EXPECT_THAT(refusal({.clip_norm = NAN}), HasSubstr("clip-norm"));
  EXPECT_THAT(refusal({.l1 = -1}), HasSubstr("l1"));
  EXPECT_EQ(refusal({.name = "adam", .beta1 = 0, .beta2 = 0, .epsilon = 0}), "");
}

TEST_F(OptimizerTest, TellsWhichKeysItMakesNoUseOf) {
  for (const std::string& name : optimizer_names()) EXPECT_THAT(unused_optimizer_keys({.name = name}), ElementsAre());
  const OptimizerOptions all{.momentum = 0.5f,
                             .beta1 = 0.5,
                             .beta2 = 0.5,
                             .decay_rate = 0.5,
                             .epsilon = 1,
                             .trust = 1,
                             .clip_norm = 1,
                             .l1 = 1};
  const auto unused = [&](const std::string& name) {
    OptimizerOptions options = all;
    options.name = name;
    return unused_optimizer_keys(options);
  };
  EXPECT_THAT(unused("sgd"), ElementsAre("momentum", "beta1", "beta2", "decay-rate", "epsilon", "trust"));
  EXPECT_THAT(unused("adam"), ElementsAre("momentum", "decay-rate", "trust"));
  EXPECT_THAT(unused("rmsprop"), ElementsAre("beta1", "beta2", "trust"));
  EXPECT_THAT(unused("lars"), ElementsAre("beta1", "beta2", "decay-rate", "epsilon"));
}

}  // namespace
}  // namespace convoy
