// A short training run whose gradients are known beforehand, by an Exchange and by one serial update.
#pragma once

#include <cstring>
#include <functional>
#include <memory>

#include "core/train/local_sink.hpp"
#include "distributed/exchange.hpp"
#include "distributed/topology.hpp"
#include "tests/core/optim/optim_testing.hpp"
#include "tests/distributed/communicator_cases.hpp"

namespace convoy::exchange_run {

inline constexpr int64_t steps = 3;
inline constexpr size_t step_stride = 100003;
inline constexpr float rate = 0.1f;

inline SegmentTable network() {
  SegmentTable table;
  table.add({.name = "fc2/bias", .shape = {10}, .decay_multiplier = 0, .role = Segment::Role::bias});
  table.add({.name = "fc2/weight", .shape = {10, 37}});
  table.add({.name = "bn1/mean", .shape = {37}, .average_rate = 0.1f});
  table.add({.name = "fc1/weight", .shape = {37, 301}, .rate_multiplier = 2});
  return table;
}

inline float start_weight(size_t i) {
  return 0.01f * contribution(50, i);
}

/// Zero stays in the padding between segments, as in any arena.
inline void fill_gradients(const ParameterArena& arena, const std::function<float(size_t)>& value) {
  for (const Segment& segment : arena.table().segments()) {
    for (size_t i = segment.offset; i < segment.offset + segment.count; ++i) arena.gradients()[i] = value(i);
  }
}

inline void fill_weights(const ParameterArena& arena) {
  for (const Segment& segment : arena.table().segments()) {
    for (size_t i = segment.offset; i < segment.offset + segment.count; ++i) arena.weights()[i] = start_weight(i);
  }
}

inline bool same(std::span<const float> a, std::span<const float> b) {
  return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

/// Steps of one worker, the gradients of the one at `place`; they are announced in its own strides.
inline void train(Exchange& exchange, const ParameterArena& arena, int world_rank, int place) {
  for (int64_t step = 0; step < steps; ++step) {
    exchange.begin(step, rate);
    fill_gradients(arena, [&](size_t i) { return contribution(place, i + step_stride * static_cast<size_t>(step)); });
    const size_t size = arena.table().size(), stride = 500 + 777 * static_cast<size_t>(world_rank);
    for (size_t end = stride; end < size; end += stride) exchange.ready(end);
    exchange.ready(size);
    exchange.finish({});
  }
  exchange.gather_state();
}

/// The place of each world rank when they are counted node by node.
inline int place_of(const Topology& topology, int rank) {
  int place = topology.local(rank);
  for (int node = 0; node < topology.node(rank); ++node) place += static_cast<int>(topology.members(node).size());
  return place;
}

inline std::vector<int> sizes_of(const Topology& topology) {
  std::vector<int> sizes;
  for (int node = 0; node < topology.nodes(); ++node) sizes.push_back(static_cast<int>(topology.members(node).size()));
  return sizes;
}

/// What all workers must end with. Gradients are summed inside groups of workers of these sizes first.
inline std::unique_ptr<TestArena> serial(const std::vector<int>& sizes, const Optimizer& optimizer) {
  auto test = std::make_unique<TestArena>(network(), optimizer);
  fill_weights(test->arena);
  LocalSink sink(test->arena, optimizer);
  for (int64_t step = 0; step < steps; ++step) {
    sink.begin(step, rate);
    fill_gradients(test->arena,
                   [&](size_t i) { return expected_sum(sizes, i + step_stride * static_cast<size_t>(step)); });
    sink.ready(test->table.size());
    sink.finish({});
  }
  return test;
}

}  // namespace convoy::exchange_run
