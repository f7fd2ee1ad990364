// Sums of squares of gradients and weights, for optimizers that need norms before they update (design 10).
//
// Squares are added in double precision over blocks of 64 elements, and the blocks' sums exactly: the norms are the
// same bits however the arena is cut on 64-element borders, that is, at any number of workers, on every device.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/base/exact_sum.hpp"
#include "core/device/device.hpp"
#include "core/memory/arena.hpp"

namespace convoy {

/// Of one segment.
struct SquaredNorms {
  double gradient = 0, weight = 0;
};

/// What an optimizer must know before it updates.
enum class NormNeed { none, gradients, gradients_and_weights };

/// Sums of squares in the memory of a GPU.
class DeviceNormSums {
 public:
  virtual ~DeviceNormSums() = default;
  /// Both are queued.
  virtual void clear() = 0;
  virtual void add(const ParameterArena& arena, size_t begin, size_t end) = 0;
  /// Waits, and writes the words of each segment's two sums, as ExactSum::load takes them.
  virtual void read(std::span<int64_t> words) = 0;
};
std::unique_ptr<DeviceNormSums> make_norm_sums_cuda(Device& device, const SegmentTable& table, NormNeed need);

class NormSums {
 public:
  /// Of arenas in ordinary memory.
  NormSums(const SegmentTable& table, NormNeed need);
  /// Of arenas in the device's memory.
  NormSums(Device& device, const SegmentTable& table, NormNeed need);

  void clear();

  /// Adds the squares of [begin, end), both multiples of SegmentTable::alignment. Running averages are left out. On a
  /// GPU this is queued.
  void add(const ParameterArena& arena, size_t begin, size_t end);

  /// What add() has seen since clear(), as integers to be summed over the workers in place. Waits for a GPU.
  std::span<int64_t> words();

  /// One per segment, from what words() then hold.
  std::span<const SquaredNorms> norms();

 private:
  NormNeed need_;
  std::unique_ptr<DeviceNormSums> device_;  // if sums are taken there
  std::vector<ExactSum> sums_;              // of each segment, the gradient's and the weight's
  std::vector<int64_t> words_;
  std::vector<SquaredNorms> norms_;
};

}  // namespace convoy
