// The exchange's second phase: with clipping and LARS, any number of workers ends with the bits of one.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "core/train/local_sink.hpp"
#include "core/train/tree_sum.hpp"
#include "distributed/exchange.hpp"
#include "tests/core/optim/optim_testing.hpp"
#include "tests/distributed/ranks_as_threads.hpp"

namespace convoy {
namespace {

constexpr int lanes = 8;
constexpr int64_t steps = 3;

SegmentTable network() {
  SegmentTable table;
  table.add({.name = "fc2/bias", .shape = {10}, .decay_multiplier = 0, .role = Segment::Role::bias});
  table.add({.name = "fc2/weight", .shape = {10, 37}});
  table.add({.name = "bn1/mean", .shape = {37}, .average_rate = 0.1f});
  table.add(
      {.name = "fc1/bias", .shape = {37}, .decay_multiplier = 0, .rate_multiplier = 2, .role = Segment::Role::bias});
  table.add({.name = "fc1/weight", .shape = {37, 301}});
  return table;
}

/// A lane's gradients, the same whoever runs it; over many powers of ten, so that any other order of summation shows.
std::vector<float> lane_gradients(const SegmentTable& table, int lane, int64_t step) {
  std::mt19937 random(static_cast<uint32_t>(1000 * step + lane));
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> exponent(-6, 1);
  std::vector<float> gradients(table.size());
  for (const Segment& segment : table.segments()) {
    for (size_t i = 0; i < segment.count; ++i) {
      gradients[segment.offset + i] = normal(random) * std::pow(10.0f, exponent(random));
    }
  }
  return gradients;
}

/// What the lanes of worker `rank` of `ranks` hand to its sink.
void sum_lanes(const ParameterArena& arena, int rank, int ranks, int64_t step) {
  std::vector<std::vector<float>> gradients;
  std::vector<const float*> contributions;
  for (int lane = rank * lanes / ranks; lane < (rank + 1) * lanes / ranks; ++lane) {
    gradients.push_back(lane_gradients(arena.table(), lane, step));
  }
  for (const auto& lane : gradients) contributions.push_back(lane.data());
  tree_sum(arena.gradients(), contributions);
}

void start_weights(const ParameterArena& arena) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (const Segment& segment : arena.table().segments()) {
    for (size_t i = 0; i < segment.count; ++i) arena.weights()[segment.offset + i] = normal(random);
  }
}

void train(GradientSink& sink, const ParameterArena& arena, int rank, int ranks) {
  start_weights(arena);
  for (int64_t step = 0; step < steps; ++step) {
    sum_lanes(arena, rank, ranks, step);
    sink.begin(step, 0.5f);
    for (size_t end = 640; end < arena.table().size(); end += 640) sink.ready(end);
    sink.ready(arena.table().size());
    sink.finish({});
  }
  sink.gather_state();
}

bool same(std::span<const float> a, std::span<const float> b) {
  return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

class ExchangeWithNorms : public testing::TestWithParam<std::tuple<OptimizerOptions, int, size_t>> {};

TEST_P(ExchangeWithNorms, HasTheBitsOfOneWorkerAtAnyNumber) {
  const auto& [options, ranks, bucket_bytes] = GetParam();
  const auto optimizer = make_optimizer(options);
  ASSERT_NE(optimizer->norm_need(), NormNeed::none);
  const TestArena alone(network(), *optimizer);
  LocalSink local(alone.arena, *optimizer);
  train(local, alone.arena, 0, 1);
  run_ranks(ranks, [&, workers = ranks, bytes = bucket_bytes](Communicator& communicator) {
    const TestArena test(network(), *optimizer);
    Exchange exchange(flat(communicator), test.arena, *optimizer, {.bucket_bytes = bytes});
    train(exchange, test.arena, communicator.rank(), workers);
    EXPECT_TRUE(same(test.arena.weights(), alone.arena.weights()));
    for (int slot = 0; slot < test.arena.slots(); ++slot) {
      EXPECT_TRUE(same(test.arena.slot(slot), alone.arena.slot(slot))) << slot;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(RanksAndBuckets, ExchangeWithNorms,
                         testing::Combine(testing::Values(OptimizerOptions{.name = "lars", .weight_decay = 0.01f},
                                                          OptimizerOptions{.name = "lars", .clip_norm = 0.1},
                                                          OptimizerOptions{.name = "sgd", .clip_norm = 0.1},
                                                          OptimizerOptions{
                                                              .name = "adam", .clip_norm = 0.1, .weight_decay = 0.01f}),
                                          testing::Values(1, 2, 4, 8), testing::Values<size_t>(1, 4096, 1 << 20)));

// Three workers cannot share eight lanes evenly, but their slices must still be cut between whole blocks.
TEST(ExchangeOfNorms, AreThoseOfTheSumAtAnOddNumberOfWorkers) {
  constexpr int ranks = 3;
  const auto optimizer = make_optimizer({.name = "lars", .clip_norm = 0.1});
  const TestArena alone(network(), *optimizer);
  LocalSink local(alone.arena, *optimizer);
  start_weights(alone.arena);
  std::vector<std::vector<float>> parts;
  std::vector<const float*> contributions;
  for (int rank = 0; rank < ranks; ++rank) {
    sum_lanes(alone.arena, rank, ranks, 0);
    parts.emplace_back(alone.arena.gradients().begin(), alone.arena.gradients().end());
  }
  for (const auto& part : parts) contributions.push_back(part.data());
  tree_sum(alone.arena.gradients(), contributions);
  local.begin(0, 0.5f);
  local.ready(alone.table.size());
  local.finish({});

  run_ranks(ranks, [&](Communicator& communicator) {
    const TestArena test(network(), *optimizer);
    Exchange exchange(flat(communicator), test.arena, *optimizer, {.bucket_bytes = 4096});
    start_weights(test.arena);
    sum_lanes(test.arena, communicator.rank(), ranks, 0);
    exchange.begin(0, 0.5f);
    exchange.ready(test.table.size());
    exchange.finish({});
    EXPECT_TRUE(same(test.arena.weights(), alone.arena.weights()));
  });
}

// An update must come with the norms of everything, and slices must not cut the blocks over which those were summed:
// the difference would be in the last bit of a double, and rarely reach a weight.
class Watching : public Optimizer {
 public:
  std::vector<std::string> slots() const override { return {}; }
  NormNeed norm_need() const override { return NormNeed::gradients; }
  void update(const ParameterArena& arena, size_t begin, std::span<const float> gradients,
              const UpdateStep& step) const override {
    EXPECT_EQ(begin % SegmentTable::alignment, 0u);
    EXPECT_EQ(gradients.size() % SegmentTable::alignment, 0u);
    EXPECT_EQ(step.norms.size(), arena.table().segments().size());
    for (const SquaredNorms& norms : step.norms) EXPECT_TRUE(std::isfinite(norms.gradient));
    EXPECT_GT(step.norms.back().gradient, 0) << "of the segment that comes last";
  }
};

TEST(ExchangeOfNorms, NothingIsUpdatedBeforeAllNormsAreKnown) {
  const Watching optimizer;
  run_ranks(2, [&](Communicator& communicator) {
    const TestArena test(network(), optimizer);
    Exchange exchange(flat(communicator), test.arena, optimizer, {.bucket_bytes = 1024});
    train(exchange, test.arena, communicator.rank(), 2);
  });
}

}  // namespace
}  // namespace convoy
