// See product.hpp.
#include "core/ops/fc/product.hpp"

#include <algorithm>

#include "core/base/parallel.hpp"

namespace convoy::fc {
namespace {

// Reasoned from a Zen 5 core's caches (48 KB and 1 MB). Other block sizes were tried for AlexNet's fc7: none of six was
// clearly faster. The sizes for the large result, the streaming and the ranges were not varied.
constexpr int64_t block_groups = 128;     // depth of a block: a panel of B, 24 KB, stays in the first-level cache
constexpr int64_t block_panels = 5;       // panels of B in a block of the large factor
constexpr int64_t result_groups = 256;    // depth of a block of the large result
constexpr int64_t result_panels = 8;      // panels of A that take turns at one panel of B
constexpr int64_t range_work = 1 << 20;   // multiply-adds below which a second thread costs more than it brings
constexpr int64_t stream_from = 4 << 20;  // elements of a result too large for any cache
constexpr int64_t cache_line = 64;

int64_t up(int64_t n, int64_t step) {
  return (n + step - 1) / step;
}

/// A factor cut into panels and blocks of depth, and where each lies when all are packed.
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

int64_t block_depth(const Kernels& kernels, int64_t depth, int64_t groups) {
  return std::min(groups, up(depth, kernels.group)) * kernels.group;
}

Panels panels_of_rows(const Kernels& kernels, int64_t count, int64_t depth, int64_t groups) {
  return {count, depth, kernels.rows, kernels.rows, kernels.group, block_depth(kernels, depth, groups)};
}

Panels panels_of_columns(const Kernels& kernels, int64_t count, int64_t depth, int64_t groups) {
  return {count, depth, kernels.columns, kernels.lanes, kernels.group, block_depth(kernels, depth, groups)};
}

void pack_all(const Kernels& kernels, const Panels& cut, const Factor& source, float* packed) {
  const int64_t grain = std::max<int64_t>(1, 65536 / cut.elements);
  parallel_for(cut.panels * cut.blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      const int64_t b = at / cut.panels, panel = at % cut.panels;
      kernels.pack({source.at(panel * cut.width, b * cut.block), source.stride, source.depth_contiguous},
                   cut.count_of(panel), cut.width_of(panel), cut.depth_of(b), packed + at * cut.elements);
    }
  });
}

/// Asks for a part of a factor, some cache lines at a time.
class Prefetch {
 public:
  Prefetch(const Factor& source, int64_t i, int64_t count, int64_t p, int64_t depth)
      : row_(reinterpret_cast<const char*>(source.at(i, p))),
        stride_(source.stride * static_cast<int64_t>(sizeof(float))),
        rows_(source.depth_contiguous ? count : depth),
        bytes_((source.depth_contiguous ? depth : count) * static_cast<int64_t>(sizeof(float))) {}

  int64_t lines() const { return rows_ * up(bytes_, cache_line); }

  void advance(int64_t lines) {
    for (; lines > 0 && rows_ > 0; --lines) {
      __builtin_prefetch(row_ + at_, 0, 2);  // into the second-level cache
      at_ += cache_line;
      if (at_ < bytes_) continue;
      at_ = 0;
      row_ += stride_;
      --rows_;
    }
  }

 private:
  const char* row_;
  int64_t stride_, rows_, bytes_, at_ = 0;
};

/// The work of one thread of multiply_large_factor: columns [begin, end) of the result.
class ColumnRange {
 public:
  ColumnRange(const Kernels& kernels, const Panels& a, const float* packed_a, const Factor& b, const Output& out,
              int64_t stride, float* block)
      : kernels_(kernels), a_(a), packed_a_(packed_a), b_(b), out_(out), stride_(stride), block_(block) {}

  static int64_t panel_elements(const Kernels& kernels, const Panels& a) { return a.block / a.group * kernels.columns; }
  static int64_t block_elements(const Kernels& kernels, const Panels& a) {
    return block_panels * panel_elements(kernels, a);
  }

  /// A block of columns at a time, over all depth; each block of B is on its way while the one before is multiplied.
  void run(int64_t begin, int64_t end) {
    const int64_t step = block_panels * kernels_.columns;
    for (int64_t first = begin; first < end; first += step) {
      const int64_t last = std::min(end, first + step), after = std::min(end, last + step);
      for (int64_t b = 0; b < a_.blocks; ++b) {
        pack(first, last, b);
        const bool deeper = b + 1 < a_.blocks;
        multiply(first, last, b,
                 deeper ? Prefetch(b_, first, last - first, (b + 1) * a_.block, a_.depth_of(b + 1))
                        : Prefetch(b_, last, after - last, 0, a_.depth_of(0)));
      }
    }
  }

 private:
  int64_t columns_at(int64_t j, int64_t last) const { return std::min(kernels_.columns, last - j); }

  void pack(int64_t first, int64_t last, int64_t b) {
    float* panel = block_;
    for (int64_t j = first; j < last; j += kernels_.columns, panel += panel_elements(kernels_, a_)) {
      const int64_t columns = columns_at(j, last), width = up(columns, kernels_.lanes) * kernels_.lanes;
      kernels_.pack({b_.at(j, b * a_.block), b_.stride, b_.depth_contiguous}, columns, width, a_.depth_of(b), panel);
    }
  }

  void multiply(int64_t first, int64_t last, int64_t b, Prefetch next) {
    const int64_t groups = a_.groups_of(b);
    const int64_t lines = up(next.lines(), up(last - first, kernels_.columns) * a_.panels);
    const float* panel = block_;
    for (int64_t j = first; j < last; j += kernels_.columns, panel += panel_elements(kernels_, a_)) {
      TileOutput tile{.data = out_.data + j,
                      .stride = stride_,
                      .columns = columns_at(j, last),
                      .bias = out_.bias && b == 0 ? out_.bias + j : nullptr,
                      .add = out_.add || b > 0};
      const float* rows = packed_a_ + a_.offset(b, 0);
      for (int64_t i = 0; i < a_.panels; ++i, rows += a_.elements, tile.data += a_.width * stride_) {
        next.advance(lines);
        tile.rows = a_.count_of(i);
        kernels_.tile(groups, rows, panel, tile);
      }
    }
  }

  const Kernels& kernels_;
  const Panels& a_;
  const float* packed_a_;
  const Factor& b_;
  const Output& out_;
  const int64_t stride_;
  float* block_;
};

Panels rows_for_large_factor(const Kernels& kernels, const Extents& e) {
  return panels_of_rows(kernels, e.i, e.p, block_groups);
}

/// The work of one thread of multiply_large_result: panels [begin, end) of rows, one block of depth.
void multiply_rows(const Kernels& kernels, const Panels& rows, const float* a, const Panels& columns, const float* b,
                   int64_t begin, int64_t end, int64_t block, TileOutput tile) {
  const int64_t groups = rows.groups_of(block);
  float* const out = tile.data;
  for (int64_t first = begin; first < end; first += result_panels) {
    for (int64_t j = 0; j < columns.panels; ++j) {
      tile.columns = columns.count_of(j);
      for (int64_t i = first; i < std::min(end, first + result_panels); ++i) {
        tile.data = out + i * rows.width * tile.stride + j * columns.width;
        tile.rows = rows.count_of(i);
        kernels.tile(groups, a + rows.offset(block, i), b + columns.offset(block, j), tile);
      }
    }
  }
}

}  // namespace

size_t large_factor_scratch(const Kernels& kernels, const Extents& extents, int threads) {
  const Panels a = rows_for_large_factor(kernels, extents);
  return static_cast<size_t>(a.all_elements() + threads * ColumnRange::block_elements(kernels, a)) * sizeof(float);
}

void multiply_large_factor(const Kernels& kernels, const Extents& extents, const Factor& a, const Factor& b,
                           const Output& out, void* scratch) {
  const Panels cut = rows_for_large_factor(kernels, extents);
  float* packed = static_cast<float*>(scratch);
  float* blocks = packed + cut.all_elements();
  pack_all(kernels, cut, a, packed);
  const int64_t grain = std::max<int64_t>(1, range_work / (extents.i * extents.p * kernels.lanes));
  parallel_for(up(extents.j, kernels.lanes), grain, [&](int64_t begin, int64_t end) {
    float* block = blocks + team_thread() * ColumnRange::block_elements(kernels, cut);
    ColumnRange(kernels, cut, packed, b, out, extents.j, block)
        .run(begin * kernels.lanes, std::min(extents.j, end * kernels.lanes));
  });
}

size_t large_result_scratch(const Kernels& kernels, const Extents& e) {
  const Panels a = panels_of_rows(kernels, e.i, e.p, result_groups);
  const Panels b = panels_of_columns(kernels, e.j, e.p, result_groups);
  return static_cast<size_t>(a.all_elements() + b.all_elements()) * sizeof(float);
}

void multiply_large_result(const Kernels& kernels, const Extents& e, const Factor& a, const Factor& b,
                           const Output& out, void* scratch) {
  const Panels rows = panels_of_rows(kernels, e.i, e.p, result_groups);
  const Panels columns = panels_of_columns(kernels, e.j, e.p, result_groups);
  float* packed_a = static_cast<float*>(scratch);
  float* packed_b = packed_a + rows.all_elements();
  pack_all(kernels, rows, a, packed_a);
  pack_all(kernels, columns, b, packed_b);
  const bool aligned = reinterpret_cast<uintptr_t>(out.data) % cache_line == 0 && e.j % kernels.lanes == 0;
  const bool stream = aligned && !out.add && rows.blocks == 1 && e.i * e.j >= stream_from;
  const int64_t grain = std::max<int64_t>(1, range_work / (e.j * e.p * kernels.rows));
  parallel_for(rows.panels, grain, [&](int64_t begin, int64_t end) {
    for (int64_t block = 0; block < rows.blocks; ++block) {
      multiply_rows(kernels, rows, packed_a, columns, packed_b, begin, end, block,
                    {.data = out.data, .stride = e.j, .add = out.add || block > 0, .stream = stream});
    }
    if (stream) kernels.finish_stream();
  });
}

}  // namespace convoy::fc
