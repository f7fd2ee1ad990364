#include "core/memory/planner.hpp"

#include <algorithm>
#include <numeric>

namespace convoy {

namespace {

constexpr size_t border = 256;

size_t rounded(size_t bytes) {
  return (bytes + border - 1) / border * border;
}

bool overlap(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

Placement place(const std::vector<Lifetime>& lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

  Placement placement{.offsets = std::vector<size_t>(lifetimes.size(), 0)};
  std::vector<size_t> placed;  // by offset
  for (const size_t current : order) {
    const size_t bytes = rounded(lifetimes[current].bytes);
    size_t offset = 0;
    for (const size_t other : placed) {
      if (!overlap(lifetimes[current], lifetimes[other])) continue;
      if (offset + bytes <= placement.offsets[other]) break;  // fits in the gap before it
      offset = std::max(offset, placement.offsets[other] + rounded(lifetimes[other].bytes));
    }
    placement.offsets[current] = offset;
    placement.bytes = std::max(placement.bytes, offset + bytes);
    placed.insert(std::ranges::upper_bound(placed, offset, {}, [&](size_t i) { return placement.offsets[i]; }),
                  current);
  }
  return placement;
}

}  // namespace convoy
