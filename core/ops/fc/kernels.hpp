// The inner loops of a matrix product out (I,J) = A (I,P) B (P,J), once per instruction set, chosen at run time.
//
// Factors are packed into panels: the depth P outermost, within it `rows` rows of A or up to `columns` columns of B. A
// large B is not packed but taken in lines of memory. An element of a panel or of a copied line is a group of 32 bits:
// one float, or two bf16 that are neighbours in depth, so that packing is where fp32 turns into bf16. What lies beyond
// a factor's border is packed as 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/tensor/dtype.hpp"

namespace convoy::fc {

/// A factor as it lies in memory. `i` counts the rows of A or the columns of B, `p` the depth.
struct Factor {
  const float* data = nullptr;
  int64_t stride = 0;
  bool depth_contiguous = false;  // element (i,p) is data[i * stride + p], else data[p * stride + i]

  const float* at(int64_t i, int64_t p) const { return data + (depth_contiguous ? i * stride + p : p * stride + i); }
};

/// Where a tile of the result goes.
struct TileOutput {
  float* data = nullptr;
  int64_t stride = 0;             // from row to row
  int64_t rows = 0, columns = 0;  // that exist
  const float* bias = nullptr;    // one per column, added; may be null
  bool add = false;               // to what is there
  bool stream = false;            // past the caches: whole vectors at aligned addresses only
};

constexpr int64_t line_floats = 16;  // of a cache line

struct Kernels {
  const char* name;
  DType compute;    // what is multiplied; sums are fp32
  int64_t rows;     // of a tile: the width of a panel of A
  int64_t columns;  // of a tile: the width of a full panel of B
  int64_t lanes;    // floats in a vector; panels of B are a multiple of it wide
  int64_t group;    // depth elements in a group

  /// Packs `count` rows or columns from `source` on into a panel `width` wide, `depth` elements deep.
  void (*pack)(const Factor& source, int64_t count, int64_t width, int64_t depth, float* panel);
  /// One tile from a panel of A and one of B, which is as wide as out.columns needs; depth in groups.
  void (*tile)(int64_t groups, const float* a, const float* b, const TileOutput& out);
  /// Orders streamed stores before what the calling thread does next.
  void (*finish_stream)();

  // A large B is taken some lines of memory at a time, which are read once, in order, side by side.

  /// Lines as the functions below read them: `count` from `source` on, of `depth` elements each, and zeros up to
  /// `rows`.
  void (*copy_lines)(const Factor& source, int64_t count, int64_t rows, int64_t depth, float* to, int64_t stride);
  /// A tile where lines are columns of B: there are lines_of_tile(vectors) of them, `stride` apart, and a panel of A
  /// that is `vectors` vectors wide.
  void (*tile_of_lines)(int64_t groups, int64_t vectors, const float* a, const float* b, int64_t stride,
                        const TileOutput& out);
  /// Where lines are rows of B, at most lines_added: sums (columns/run, rows, run) += A (rows, lines) B (lines,
  /// columns) with run = sum_run(). A, in groups, is as copy_lines leaves it; columns are padded to whole runs.
  void (*add_lines)(const Factor& b, int64_t lines, int64_t columns, const float* a, int64_t a_stride, int64_t rows,
                    float* sums);
  int64_t lines_added;  // for all of which the registers suffice

  /// As many lines as there are registers for sums in a tile; they are turned over as a square.
  constexpr int64_t lines_of_tile(int64_t vectors) const { return std::min(rows * (columns / lanes) / vectors, lanes); }
  constexpr int64_t sum_run() const { return run_vectors * lanes; }

  static constexpr int64_t run_vectors = 2;
  static constexpr int64_t most_vectors = 4;  // of a tile_of_lines
};

/// All that this CPU can run, the best of each precision first. Empty where the compiler has none.
std::vector<const Kernels*> available_kernels();

/// The best for `compute`, or null.
const Kernels* best_kernels(DType compute);

// One source file each; null where it was not compiled.
extern const Kernels* const avx512_kernels;
extern const Kernels* const avx512_bf16_kernels;
extern const Kernels* const avx2_kernels;

}  // namespace convoy::fc
