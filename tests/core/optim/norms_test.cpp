// Norms: right, and the same bits however the arena is cut and shared out.
#include "core/optim/norms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "tests/core/optim/tested_optimizer.hpp"

namespace convoy {
namespace {

using NormSumsTest = testing::DeviceTest;

SegmentTable odd_segments() {
  SegmentTable table;
  table.add({.name = "a", .shape = {1000}});
  table.add({.name = "b", .shape = {7}});
  table.add({.name = "mean", .shape = {100}, .average_rate = 0.1f});
  table.add({.name = "c", .shape = {64}});
  table.add({.name = "d", .shape = {5001}});
  return table;
}

void fill(const TestedArena& test, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> exponent(-6, 3);
  // Padding is zero in a run; here it must not matter.
  for (float& g : test.arena.gradients()) g = normal(random) * std::pow(10.0f, exponent(random));
  for (float& w : test.arena.weights()) w = normal(random);
  test.to_device();
}

bool same_bits(std::span<const SquaredNorms> a, std::span<const SquaredNorms> b) {
  return a.size_bytes() == b.size_bytes() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

TEST_F(NormSumsTest, AreTheSumsOfSquaresOfParameters) {
  const TestedArena test(odd_segments(), 0);
  fill(test, 3);
  NormSums sums(*test.device, test.table, NormNeed::gradients_and_weights);
  sums.add(test.on_device, 0, test.table.size());
  sums.words();
  const auto norms = sums.norms();
  for (size_t s = 0; s < norms.size(); ++s) {
    double gradient = 0, weight = 0;
    for (const float g : test.gradients(s)) gradient += static_cast<double>(g) * static_cast<double>(g);
    for (const float w : test.weights(s)) weight += static_cast<double>(w) * static_cast<double>(w);
    const bool counts = test.table.segments()[s].is_parameter();
    EXPECT_NEAR(norms[s].gradient, counts ? gradient : 0, 1e-12 * gradient) << s;
    EXPECT_NEAR(norms[s].weight, counts ? weight : 0, 1e-12 * weight) << s;
  }
  sums.clear();
  sums.words();
  EXPECT_EQ(sums.norms()[0].gradient, 0);
}

TEST_F(NormSumsTest, OfGradientsAloneLeaveWeightsOut) {
  const TestedArena test(odd_segments(), 0);
  fill(test, 3);
  NormSums sums(*test.device, test.table, NormNeed::gradients);
  sums.add(test.on_device, 0, test.table.size());
  sums.words();
  EXPECT_GT(sums.norms()[0].gradient, 0);
  EXPECT_EQ(sums.norms()[0].weight, 0);
}

TEST_F(NormSumsTest, AreTheSameBitsHoweverTheArenaIsShared) {
  const TestedArena test(odd_segments(), 0);
  std::mt19937 random(17);
  for (uint32_t seed = 0; seed < 20; ++seed) {
    fill(test, seed);
    NormSums alone(*test.device, test.table, NormNeed::gradients_and_weights);
    alone.add(test.on_device, 0, test.table.size());
    alone.words();
    const auto expected = alone.norms();
    for (const int workers : {2, 3, 8}) {
      std::vector<NormSums> parts;
      for (int w = 0; w < workers; ++w) parts.emplace_back(*test.device, test.table, NormNeed::gradients_and_weights);
      for (size_t begin = 0; begin < test.table.size();) {
        const size_t end = std::min(test.table.size(), begin + 64 * (1 + random() % 30));
        parts[random() % parts.size()].add(test.on_device, begin, end);
        begin = end;
      }
      const std::span<int64_t> total = parts[0].words();
      for (size_t p = 1; p < parts.size(); ++p) {
        const std::span<int64_t> words = parts[p].words();
        for (size_t i = 0; i < total.size(); ++i) total[i] += words[i];
      }
      EXPECT_TRUE(same_bits(parts[0].norms(), expected)) << workers << " workers, seed " << seed;
    }
  }
}

/// Long segments, of which a GPU makes several pieces; ends of every length; squares that are too small or too large.
TEST_F(NormSumsTest, HaveTheCpusBits) {
  SegmentTable table;
  for (int64_t count = 1; count < 70; ++count) table.add({.name = "short", .shape = {count}});
  for (const int64_t count : {16384, 16385, 40000, 600007}) table.add({.name = "long", .shape = {count}});
  table.add({.name = "mean", .shape = {100}, .average_rate = 0.1f});
  table.add({.name = "too large", .shape = {70}});
  table.add({.name = "no number", .shape = {70}});
  table.add({.name = "infinite", .shape = {1000}});
  table.add({.name = "too small", .shape = {1000}});
  const TestedArena test(std::move(table), 0);
  fill(test, 5);
  const size_t last = test.table.segments().size() - 1;
  test.gradients(last - 3)[69] = 1e30f;
  test.gradients(last - 2)[0] = NAN;
  test.weights(last - 1)[64] = -INFINITY;
  for (float& g : test.gradients(last)) g *= 1e-20f;
  test.to_device();
  const auto cut_into_three = [&](NormSums& sums, const ParameterArena& arena) {
    for (int round = 0; round < 2; ++round) {
      sums.clear();
      sums.add(arena, 0, 64 * 250);
      sums.add(arena, 64 * 250, 64 * 251);
      sums.add(arena, 64 * 251, arena.table().size());
    }
    return sums.words();
  };
  for (const NormNeed need : {NormNeed::gradients, NormNeed::gradients_and_weights}) {
    NormSums expected(test.table, need), sums(*test.device, test.table, need);
    EXPECT_THAT(cut_into_three(sums, test.on_device),
                ::testing::ElementsAreArray(cut_into_three(expected, test.arena)));
    EXPECT_EQ(std::isnan(sums.norms()[last - 1].weight), need == NormNeed::gradients_and_weights);
    EXPECT_TRUE(std::isnan(sums.norms()[last - 3].gradient));
  }
}

}  // namespace
}  // namespace convoy
