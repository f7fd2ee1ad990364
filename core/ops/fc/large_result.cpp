// The gradient of the weights: a large result, written once. See product.hpp.
#include "core/ops/fc/panels.hpp"
#include "core/ops/fc/product.hpp"

namespace convoy::fc {
namespace {

// Not varied yet.
constexpr int64_t block_groups = 256;     // depth of a block
constexpr int64_t panels_in_turn = 8;     // panels of A that take turns at one panel of B
constexpr int64_t stream_from = 4 << 20;  // elements of a result too large for any cache

/// The work of one thread: panels [begin, end) of rows, one block of depth.
void multiply_rows(const Kernels& kernels, const Panels& rows, const float* a, const Panels& columns, const float* b,
                   int64_t begin, int64_t end, int64_t block, TileOutput tile) {
  const int64_t groups = rows.groups_of(block);
  float* const out = tile.data;
  for (int64_t first = begin; first < end; first += panels_in_turn) {
    for (int64_t j = 0; j < columns.panels; ++j) {
      tile.columns = columns.count_of(j);
      for (int64_t i = first; i < std::min(end, first + panels_in_turn); ++i) {
        tile.data = out + i * rows.width * tile.stride + j * columns.width;
        tile.rows = rows.count_of(i);
        kernels.tile(groups, a + rows.offset(block, i), b + columns.offset(block, j), tile);
      }
    }
  }
}

}  // namespace

size_t large_result_scratch(const Kernels& kernels, const Extents& e) {
  const Panels a = panels_of_rows(kernels, e.i, e.p, block_groups);
  const Panels b = panels_of_columns(kernels, e.j, e.p, block_groups);
  return static_cast<size_t>(a.all_elements() + b.all_elements()) * sizeof(float);
}

void multiply_large_result(const Kernels& kernels, const Extents& e, const Factor& a, const Factor& b,
                           const Output& out, void* scratch) {
  const Panels rows = panels_of_rows(kernels, e.i, e.p, block_groups);
  const Panels columns = panels_of_columns(kernels, e.j, e.p, block_groups);
  float* packed_a = static_cast<float*>(scratch);
  float* packed_b = packed_a + rows.all_elements();
  pack_all(kernels, rows, a, packed_a);
  pack_all(kernels, columns, b, packed_b);
  const bool aligned =
      reinterpret_cast<uintptr_t>(out.data) % (line_floats * sizeof(float)) == 0 && e.j % kernels.lanes == 0;
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
