// LocalSink: when it updates, and that it updates as the optimizer does by itself.
#include "core/train/local_sink.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/core/optim/tested_optimizer.hpp"

namespace convoy {
namespace {

using LocalSinkTest = testing::DeviceTest;

SegmentTable odd_segments() {
  SegmentTable table;
  table.add({.name = "a", .shape = {1000}});
  table.add({.name = "b", .shape = {7}});
  table.add({.name = "mean", .shape = {100}, .average_rate = 0.1f});
  table.add({.name = "c", .shape = {5001}});
  return table;
}

TEST_F(LocalSinkTest, UpdatesAtTheEndWhatNeedsNorms) {
  for (const OptimizerOptions& options : {OptimizerOptions{.name = "lars", .clip_norm = 2, .weight_decay = 0.1f},
                                          OptimizerOptions{.name = "adam", .clip_norm = 2}}) {
    const TestedOptimizer whole(odd_segments(), options), test(odd_segments(), options);
    LocalSink sink(*test.device, test.on_device, *test.optimizer);
    for (uint32_t step = 0; step < 3; ++step) {
      for (const TestedOptimizer* arena : {&whole, &test}) {
        std::mt19937 random(step);
        for (size_t s = 0; s < arena->table.segments().size(); ++s) {
          if (step == 0) std::ranges::fill(arena->weights(s), 0.5f);
          for (float& g : arena->gradients(s)) g = static_cast<float>(random() % 1000) * 1e-3f - 0.5f;
        }
      }
      whole.take_step(0.1f, step);
      test.to_device();
      const float before = test.weights(0)[0];
      sink.begin(step, 0.1f);
      for (const size_t end : {1024, 1088, 1300, 5000}) sink.ready(end);
      sink.ready(test.table.size());
      test.from_device();
      EXPECT_EQ(test.weights(0)[0], before);
      sink.finish({});
      test.from_device();
      EXPECT_NE(test.weights(0)[0], before);
    }
    const auto same = [](std::span<const float> a, std::span<const float> b) {
      return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
    };
    EXPECT_TRUE(same(test.arena.weights(), whole.arena.weights())) << options.name;
    EXPECT_TRUE(same(test.arena.slot(0), whole.arena.slot(0))) << options.name;
  }
}

TEST_F(LocalSinkTest, UpdatesAtOnceWhatDoesNot) {
  const TestedOptimizer test(odd_segments(), {.name = "sgd"});
  std::ranges::fill(test.arena.gradients(), 1.0f);
  test.to_device();
  LocalSink sink(*test.device, test.on_device, *test.optimizer);
  sink.begin(0, 0.5f);
  sink.ready(1024);
  test.from_device();
  EXPECT_EQ(test.weights(0)[0], -0.5f);
  EXPECT_EQ(test.weights(1)[0], 0);
  sink.ready(test.table.size());
  sink.finish({});
  test.from_device();
  EXPECT_EQ(test.weights(3)[5000], -0.5f);
}

}  // namespace
}  // namespace convoy
