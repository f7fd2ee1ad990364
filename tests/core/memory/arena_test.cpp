#include "core/memory/arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <new>

namespace convoy {
namespace {

struct Storage {
  explicit Storage(size_t bytes)
      : data(static_cast<std::byte*>(operator new[](bytes, std::align_val_t{256}))), size(bytes) {
    std::fill_n(data, bytes, std::byte{0});
  }
  ~Storage() { operator delete[](data, std::align_val_t{256}); }
  Storage(const Storage&) = delete;
  std::byte* data;
  size_t size;
};

SegmentTable table_of(const Initialiser& init) {
  SegmentTable table;
  table.add({.name = "fc1/weight", .shape = {10, 7}, .init = init});
  table.add({.name = "fc1/bias", .shape = {10}});
  table.add({.name = "conv1/weight", .shape = {200, 5, 5, 20}, .init = init});
  return table;
}

TEST(SegmentTable, SegmentsStartOnBorders) {
  const SegmentTable table = table_of({});
  EXPECT_EQ(table.segments()[0].offset, 0u);
  EXPECT_EQ(table.segments()[1].offset, 128u);
  EXPECT_EQ(table.segments()[2].offset, 192u);
  EXPECT_EQ(table.size(), 192u + 100'032u);
  EXPECT_EQ(table.parameter_count(), 70u + 10u + 100'000u);
  EXPECT_EQ(table.find("fc1/bias"), &table.segments()[1]);
  EXPECT_EQ(table.find("fc2/bias"), nullptr);
}

TEST(ParameterArena, BuffersLieSideBySideInTheStorageGiven) {
  const SegmentTable table = table_of({});
  Storage storage(ParameterArena::bytes(table, 1));
  const ParameterArena arena(table, 1, {storage.data, storage.size});
  EXPECT_EQ(arena.weights().data(), reinterpret_cast<float*>(storage.data));
  EXPECT_EQ(arena.slot(0).data(), arena.weights().data() + table.size());
  EXPECT_EQ(arena.gradients().data(), arena.slot(0).data() + table.size());
}

TEST(ParameterArena, WorkersMayHaveWeightsAndStateInCommon) {
  const SegmentTable table = table_of({});
  Storage common(ParameterArena::common_bytes(table, 2));
  Storage gradients(ParameterArena::gradient_bytes(table));
  const ParameterArena arena(table, 2, {common.data, common.size}, {gradients.data, gradients.size});
  EXPECT_EQ(arena.weights().data(), reinterpret_cast<float*>(common.data));
  EXPECT_EQ(arena.slot(1).data(), arena.weights().data() + 2 * table.size());
  EXPECT_EQ(arena.gradients().data(), reinterpret_cast<float*>(gradients.data));
}

struct InitCase {
  Initialiser init;
  double deviation;
};

TEST(InitialiseWeights, HasTheDistributionOfItsSource) {
  const InitCase cases[] = {
      {{.kind = Initialiser::Kind::he, .fan_in = 500, .fan_out = 5000}, std::sqrt(2.0 / 500)},
      {{.kind = Initialiser::Kind::xavier, .fan_in = 500, .fan_out = 5000}, std::sqrt(2.0 / 5500)},
      {{.kind = Initialiser::Kind::gaussian, .value = 0.01f}, 0.01},
  };
  for (const InitCase& c : cases) {
    const SegmentTable table = table_of(c.init);
    Storage storage(ParameterArena::bytes(table, 0));
    const ParameterArena arena(table, 0, {storage.data, storage.size});
    initialise_weights(arena, 5);
    const auto weights = arena.weights().subspan(192, 100'000);
    double sum = 0, square = 0;
    for (const float w : weights) sum += w, square += static_cast<double>(w) * w;
    const double n = 100'000;
    EXPECT_NEAR(sum / n, 0, 5 * c.deviation / std::sqrt(n));  // five standard errors
    EXPECT_NEAR(std::sqrt(square / n), c.deviation, 0.02 * c.deviation);
    EXPECT_TRUE(std::ranges::all_of(arena.weights().subspan(128, 10), [](float b) { return b == 0; }));
    EXPECT_TRUE(std::ranges::all_of(arena.weights().subspan(70, 58), [](float padding) { return padding == 0; }));
  }
}

TEST(InitialiseWeights, IsAFunctionOfTheSeed) {
  const SegmentTable table = table_of({.kind = Initialiser::Kind::he, .fan_in = 9});
  Storage a(ParameterArena::bytes(table, 0)), b(ParameterArena::bytes(table, 0)), c(ParameterArena::bytes(table, 0));
  const ParameterArena first(table, 0, {a.data, a.size}), again(table, 0, {b.data, b.size}),
      other(table, 0, {c.data, c.size});
  initialise_weights(first, 1);
  initialise_weights(again, 1);
  initialise_weights(other, 2);
  EXPECT_TRUE(std::ranges::equal(first.weights(), again.weights()));
  EXPECT_FALSE(std::ranges::equal(first.weights(), other.weights()));
}

}  // namespace
}  // namespace convoy
