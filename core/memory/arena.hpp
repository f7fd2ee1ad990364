// All parameters of a model as parallel flat buffers over one SegmentTable.
#pragma once

#include <cstddef>
#include <span>

#include "core/memory/segment_table.hpp"

namespace convoy {

/// Views into storage that the caller gives and owns (ordinary memory, or a shared-memory window): weights, `slots`
/// buffers of optimizer state, and gradients, each table.size() floats. Storage must be zeroed and aligned to 256
/// bytes.
class ParameterArena {
 public:
  /// Weights and state: what several workers may have in common.
  static size_t common_bytes(const SegmentTable& table, int slots) {
    return table.size() * sizeof(float) * static_cast<size_t>(1 + slots);
  }
  static size_t gradient_bytes(const SegmentTable& table) { return table.size() * sizeof(float); }
  static size_t bytes(const SegmentTable& table, int slots) {
    return common_bytes(table, slots) + gradient_bytes(table);
  }

  ParameterArena(const SegmentTable& table, int slots, std::span<std::byte> common, std::span<std::byte> gradients);
  /// Everything in one piece of bytes().
  ParameterArena(const SegmentTable& table, int slots, std::span<std::byte> storage);

  const SegmentTable& table() const { return *table_; }
  int slots() const { return slots_; }
  std::span<float> weights() const { return {common_, table_->size()}; }
  std::span<float> gradients() const { return {gradients_, table_->size()}; }
  std::span<float> slot(int i) const { return {common_ + static_cast<size_t>(1 + i) * table_->size(), table_->size()}; }

 private:
  const SegmentTable* table_;
  int slots_;
  float* common_;
  float* gradients_;
};

/// Fills the weights from the segments' initialisers; a pure function of the seed and the table.
void initialise_weights(const ParameterArena& arena, uint64_t seed);

}  // namespace convoy
