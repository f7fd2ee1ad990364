// LocalSink: when it updates, and that it updates as the optimizer does by itself.
#include "core/train/local_sink.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/core/optim/optim_testing.hpp"

namespace convoy {
namespace {

SegmentTable odd_segments() {
  SegmentTable table;
  table.add({.name = "a", .shape = {1000}});
  table.add({.name = "b", .shape = {7}});
  table.add({.name = "mean", .shape = {100}, .average_rate = 0.1f});
  table.add({.name = "c", .shape = {5001}});
  return table;
}

TEST(LocalSink, UpdatesAtTheEndWhatNeedsNorms) {
  for (const OptimizerOptions& options : {OptimizerOptions{.name = "lars", .clip_norm = 2, .weight_decay = 0.1f},
                                          OptimizerOptions{.name = "adam", .clip_norm = 2}}) {
    const auto optimizer = make_optimizer(options);
    const TestArena whole(odd_segments(), *optimizer), test(odd_segments(), *optimizer);
    LocalSink sink(test.arena, *optimizer);
    for (uint32_t step = 0; step < 3; ++step) {
      for (const TestArena* arena : {&whole, &test}) {
        std::mt19937 random(step);
        for (size_t s = 0; s < arena->table.segments().size(); ++s) {
          if (step == 0) std::ranges::fill(arena->weights(s), 0.5f);
          for (float& g : arena->gradients(s)) g = static_cast<float>(random() % 1000) * 1e-3f - 0.5f;
        }
      }
      take_step(whole, *optimizer, 0.1f, step);
      const float before = test.weights(0)[0];
      sink.begin(step, 0.1f);
      for (const size_t end : {1024, 1088, 1300, 5000}) sink.ready(end);
      sink.ready(test.table.size());
      EXPECT_EQ(test.weights(0)[0], before);
      sink.finish({});
      EXPECT_NE(test.weights(0)[0], before);
    }
    const auto same = [](std::span<const float> a, std::span<const float> b) {
      return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
    };
    EXPECT_TRUE(same(test.arena.weights(), whole.arena.weights())) << options.name;
    EXPECT_TRUE(same(test.arena.slot(0), whole.arena.slot(0))) << options.name;
  }
}

TEST(LocalSink, UpdatesAtOnceWhatDoesNot) {
  const auto optimizer = make_optimizer({.name = "sgd"});
  const TestArena test(odd_segments(), *optimizer);
  std::ranges::fill(test.arena.gradients(), 1.0f);
  LocalSink sink(test.arena, *optimizer);
  sink.begin(0, 0.5f);
  sink.ready(1024);
  EXPECT_EQ(test.weights(0)[0], -0.5f);
  EXPECT_EQ(test.weights(1)[0], 0);
  sink.ready(test.table.size());
  sink.finish({});
  EXPECT_EQ(test.weights(3)[5000], -0.5f);
}

}  // namespace
}  // namespace convoy
