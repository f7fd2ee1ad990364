// All parameters of a model as parallel flat buffers over one SegmentTable.
#pragma once

#include <cstddef>
#include <span>

#include "core/memory/segment_table.hpp"

namespace convoy {

/// Views into storage that the caller gives and owns (ordinary memory, or a shared-memory window): weights, gradients
/// and `slots` buffers of optimizer state, each table.size() floats, one after another. Storage must be zeroed and
/// aligned to 256 bytes.
class ParameterArena {
 public:
  static size_t bytes(const SegmentTable& table, int slots) {
    return table.size() * sizeof(float) * static_cast<size_t>(2 + slots);
  }

  ParameterArena(const SegmentTable& table, int slots, std::span<std::byte> storage);

  const SegmentTable& table() const { return *table_; }
  int slots() const { return slots_; }
  std::span<float> weights() const { return buffer(0); }
  std::span<float> gradients() const { return buffer(1); }
  std::span<float> slot(int i) const { return buffer(2 + i); }

 private:
  std::span<float> buffer(int i) const { return {data_ + static_cast<size_t>(i) * table_->size(), table_->size()}; }

  const SegmentTable* table_;
  int slots_;
  float* data_;
};

/// Fills the weights from the segments' initialisers; a pure function of the seed and the table.
void initialise_weights(const ParameterArena& arena, uint64_t seed);

}  // namespace convoy
