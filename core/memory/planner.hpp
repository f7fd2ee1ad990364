// Static placement of activations: buffers whose lifetimes do not overlap may share memory.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace convoy {

/// A buffer alive from schedule tick `first` to `last`, both included.
struct Lifetime {
  std::string name;
  size_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct Placement {
  std::vector<size_t> offsets;  // one per lifetime, aligned to 256 bytes
  size_t bytes = 0;             // of the whole block
};

/// Greedy by size, largest first, each at the lowest offset where it fits. Never overlaps two that live at once.
/// Y. Pisarchyk and J. Lee, "Efficient memory management for deep neural net inference", 2020 (greedy by size).
Placement place(const std::vector<Lifetime>& lifetimes);

}  // namespace convoy
