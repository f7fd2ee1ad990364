// An arena in ordinary memory, and whole steps of an optimizer on it.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "core/optim/optimizer.hpp"

namespace convoy {

struct TestArena {
  TestArena(SegmentTable t, int slots)
      : table(std::move(t)),
        storage(static_cast<std::byte*>(std::aligned_alloc(256, ParameterArena::bytes(table, slots))), &std::free),
        arena(table, slots, {storage.get(), ParameterArena::bytes(table, slots)}) {
    std::fill_n(storage.get(), ParameterArena::bytes(table, slots), std::byte{0});
  }
  TestArena(SegmentTable t, const Optimizer& optimizer)
      : TestArena(std::move(t), static_cast<int>(optimizer.slots().size())) {}

  std::span<float> weights(size_t segment) const { return of(arena.weights(), segment); }
  std::span<float> gradients(size_t segment) const { return of(arena.gradients(), segment); }

  SegmentTable table;
  std::unique_ptr<std::byte, decltype(&std::free)> storage;
  ParameterArena arena;

 private:
  std::span<float> of(std::span<float> buffer, size_t segment) const {
    const Segment& s = table.segments()[segment];
    return buffer.subspan(s.offset, s.count);
  }
};

/// One step over the whole arena, in the ranges between `cuts`.
inline void take_step(const ParameterArena& arena, const Optimizer& optimizer, NormSums& sums, UpdateStep step,
                      std::vector<size_t> cuts) {
  const size_t size = arena.table().size();
  if (optimizer.norm_need() != NormNeed::none) {
    sums.add(arena, 0, size);
    sums.words();
    step.norms = sums.norms();
  }
  cuts.push_back(size);
  std::ranges::sort(cuts);
  size_t begin = 0;
  for (const size_t end : cuts) {
    optimizer.update(arena, begin, end, step);
    begin = end;
  }
}

inline void take_step(const TestArena& test, const Optimizer& optimizer, float rate, int64_t step,
                      std::vector<size_t> cuts = {}) {
  NormSums sums(test.table, optimizer.norm_need());
  take_step(test.arena, optimizer, sums, {.step = step, .rate = rate}, std::move(cuts));
}

}  // namespace convoy
