// A factor of a product cut into panels and blocks of depth, and packed: what the three products share.
#pragma once

#include <algorithm>

#include "core/base/parallel.hpp"
#include "core/ops/fc/kernels.hpp"

namespace convoy::fc {

constexpr int64_t range_work = 1 << 20;  // multiply-adds below which a second thread costs more than it brings

inline int64_t up(int64_t n, int64_t step) {
  return (n + step - 1) / step;
}

/// Where each panel lies when all are packed: blocks of depth outermost.
struct Panels {
  int64_t count, depth;  // rows or columns; depth
  int64_t width;         // of a panel
  int64_t narrowest;     // the last panel is as wide as it must be, in multiples of this
  int64_t group;
  int64_t block;  // depth of a block, a multiple of the group
  int64_t panels = up(count, width);
  int64_t blocks = up(depth, block);
  int64_t elements = block / group * width;  // of a packed panel

  int64_t count_of(int64_t panel) const { return std::min(width, count - panel * width); }
  int64_t width_of(int64_t panel) const { return up(count_of(panel), narrowest) * narrowest; }
  int64_t depth_of(int64_t b) const { return std::min(block, depth - b * block); }
  int64_t groups_of(int64_t b) const { return up(depth_of(b), group); }
  int64_t offset(int64_t b, int64_t panel) const { return (b * panels + panel) * elements; }
  int64_t all_elements() const { return panels * blocks * elements; }
};

inline int64_t block_depth(const Kernels& kernels, int64_t depth, int64_t groups) {
  return std::min(groups, up(depth, kernels.group)) * kernels.group;
}

inline Panels panels_of_rows(const Kernels& kernels, int64_t count, int64_t depth, int64_t groups) {
  return {count, depth, kernels.rows, kernels.rows, kernels.group, block_depth(kernels, depth, groups)};
}

inline Panels panels_of_columns(const Kernels& kernels, int64_t count, int64_t depth, int64_t groups) {
  return {count, depth, kernels.columns, kernels.lanes, kernels.group, block_depth(kernels, depth, groups)};
}

inline void pack_all(const Kernels& kernels, const Panels& cut, const Factor& source, float* packed) {
  const int64_t grain = std::max<int64_t>(1, 65536 / cut.elements);
  parallel_for(cut.panels * cut.blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      const int64_t b = at / cut.panels, panel = at % cut.panels;
      kernels.pack({source.at(panel * cut.width, b * cut.block), source.stride, source.depth_contiguous},
                   cut.count_of(panel), cut.width_of(panel), cut.depth_of(b), packed + at * cut.elements);
    }
  });
}

}  // namespace convoy::fc
