// Every optimizer on the tested device against the CPU's: the same bits, over several steps, segments of every length
// and ranges cut anywhere.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "core/base/error.hpp"
#include "tests/core/optim/tested_optimizer.hpp"

namespace convoy {
namespace {

using OptimizerOnDevice = testing::DeviceTest;

SegmentTable many_segments() {
  SegmentTable table;
  for (int64_t i = 0; i < 60; ++i) {
    Segment segment{.name = concat(i), .shape = {1 + i * 37 % 201}};
    if (i % 4 == 1) {
      segment.role = Segment::Role::bias;
      segment.decay_multiplier = 0;
      segment.rate_multiplier = 2;
    }
    if (i % 5 == 2) segment.average_rate = 0.1f;
    if (i % 6 == 3) segment.decay_multiplier = 0.5f, segment.rate_multiplier = 0.25f;
    table.add(std::move(segment));
    if (i == 20) table.add({.name = "long", .shape = {5003}});
    if (i == 30) table.add({.name = "empty", .shape = {0}});
  }
  return table;
}

std::vector<OptimizerOptions> all_options() {
  std::vector<OptimizerOptions> all;
  for (const std::string& name : optimizer_names()) {
    all.push_back({.name = name});
    all.push_back({.name = name, .weight_decay = 0.1f, .l1 = 0.01f, .decay_bias = true});
    all.push_back({.name = name, .clip_norm = 2, .weight_decay = 0.1f});
  }
  all.push_back({.name = "rmsprop", .momentum = 0.9f, .clip_norm = 2, .l1 = 0.01f});
  return all;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

TEST_F(OptimizerOnDevice, HasTheCpusBits) {
  for (const OptimizerOptions& options : all_options()) {
    SCOPED_TRACE(concat(options.name, ", clip-norm ", options.clip_norm, ", weight-decay ", options.weight_decay));
    const TestedOptimizer test(many_segments(), options);
    const auto reference = make_optimizer(options);
    const TestArena expected(many_segments(), *reference);
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (size_t s = 0; s < test.table.segments().size(); ++s) {
      for (float& w : test.weights(s)) w = normal(random);
      std::ranges::copy(test.weights(s), expected.weights(s).begin());
    }
    for (int64_t step = 0; step < 4; ++step) {
      for (float& g : test.arena.gradients()) g = normal(random);  // between segments too, where it must not matter
      std::ranges::copy(test.arena.gradients(), expected.arena.gradients().begin());
      std::vector<size_t> cuts;
      for (int i = 0; i < 6; ++i) cuts.push_back(random() % (test.table.size() + 1));
      const float rate = 0.1f / static_cast<float>(step + 1);
      test.take_step(rate, step, cuts);
      take_step(expected, *reference, rate, step);
    }
    EXPECT_TRUE(same_bits(test.arena.weights(), expected.arena.weights()));
    for (int slot = 0; slot < test.arena.slots(); ++slot) {
      EXPECT_TRUE(same_bits(test.arena.slot(slot), expected.arena.slot(slot))) << "slot " << slot;
    }
  }
}

TEST_F(OptimizerOnDevice, TakesGradientsFromAnywhere) {
  for (const size_t begin : {0, 64, 67, 6001}) {
    for (const size_t shift : {0, 1, 2, 3, 4}) {
      const TestedOptimizer test(many_segments(), {.name = "adam"});
      const auto reference = make_optimizer({.name = "adam"});
      const TestArena expected(many_segments(), *reference);
      std::vector<float> gradients(shift + 1000);
      for (size_t i = 0; i < gradients.size(); ++i) gradients[i] = std::sin(static_cast<float>(i));
      const testing::OnDevice there(*test.device, gradients);
      const UpdateStep step{.step = 3, .rate = 0.1f};
      test.to_device();
      test.optimizer->update(test.on_device, begin, {there.data() + shift, 1000}, step);
      test.from_device();
      reference->update(expected.arena, begin, std::span(gradients).subspan(shift), step);
      EXPECT_TRUE(same_bits(test.arena.weights(), expected.arena.weights())) << begin << " from " << shift;
    }
  }
}

TEST_F(OptimizerOnDevice, KnowsOneStepFromAnother) {
  SegmentTable table;
  table.add({.name = "weight", .shape = {100}});
  const TestedOptimizer test(table, {.name = "sgd", .clip_norm = 1});
  const float start = 1;
  std::ranges::fill(test.arena.gradients(), 1.0f);
  const auto updated = [&](float rate, double square, bool prepared) {
    std::ranges::fill(test.weights(0), start);
    test.to_device();
    const std::vector<SquaredNorms> norms{{.gradient = square}};
    const UpdateStep step{.step = 7, .rate = rate, .norms = norms};
    if (prepared) test.optimizer->prepare(step);
    test.optimizer->update(test.on_device, 0, test.table.size(), step);
    test.from_device();
    return test.weights(0)[99];
  };
  for (const bool prepared : {false, true}) {
    EXPECT_EQ(updated(0.5f, 0, prepared), 0.5f);
    EXPECT_EQ(updated(0.25f, 0, prepared), 0.75f);
    EXPECT_FLOAT_EQ(updated(0.25f, 4, prepared), 0.875f) << "the same step, other norms";
  }
}

}  // namespace
}  // namespace convoy
