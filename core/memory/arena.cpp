#include "core/memory/arena.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "core/base/random.hpp"

namespace convoy {

ParameterArena::ParameterArena(const SegmentTable& table, int slots, std::span<std::byte> common,
                               std::span<std::byte> gradients)
    : table_(&table),
      slots_(slots),
      common_(reinterpret_cast<float*>(common.data())),
      gradients_(reinterpret_cast<float*>(gradients.data())) {
  assert(common.size() >= common_bytes(table, slots) && gradients.size() >= gradient_bytes(table));
  assert(reinterpret_cast<uintptr_t>(common.data()) % 256 == 0);
  assert(reinterpret_cast<uintptr_t>(gradients.data()) % 256 == 0);
}

ParameterArena::ParameterArena(const SegmentTable& table, int slots, std::span<std::byte> storage)
    : ParameterArena(table, slots, storage.first(common_bytes(table, slots)),
                     storage.subspan(common_bytes(table, slots))) {}

namespace {

void initialise(std::span<float> weights, const Initialiser& init, const RandomStream& random) {
  switch (init.kind) {
    case Initialiser::Kind::constant: std::ranges::fill(weights, init.value); return;
    case Initialiser::Kind::xavier: {
      const float bound = std::sqrt(6.0f / static_cast<float>(init.fan_in + init.fan_out));
      for (size_t i = 0; i < weights.size(); ++i) weights[i] = bound * (2 * random.uniform(i) - 1);
      return;
    }
    case Initialiser::Kind::gaussian:
    case Initialiser::Kind::he: {
      const float deviation =
          init.kind == Initialiser::Kind::gaussian ? init.value : std::sqrt(2.0f / static_cast<float>(init.fan_in));
      for (size_t i = 0; i < weights.size(); ++i) weights[i] = deviation * random.normal(i);
      return;
    }
  }
}

}  // namespace

void initialise_weights(const ParameterArena& arena, uint64_t seed) {
  uint64_t stream = 0;
  for (const Segment& segment : arena.table().segments()) {
    initialise(arena.weights().subspan(segment.offset, segment.count), segment.init,
               RandomStream(seed, RandomPurpose::initialise, stream++));
  }
}

}  // namespace convoy
