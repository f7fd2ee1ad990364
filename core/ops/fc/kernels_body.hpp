// The body shared by kernels_*.cpp. Each defines `Vector` for its instruction set in an unnamed namespace, then
// includes this file there, all under its target pragma: nothing in here may leave the file as a shared inline
// function.
//
// Vector: type, `lanes`, `group`; zero, load, store of whole vectors and of the first n lanes, stream, add, broadcast,
// multiply_add, load_groups (depth contiguous), pair_rows (depth along rows), transpose of lanes x lanes groups.
#pragma once

using V = Vector;
constexpr int tile_rows = V::tile_rows, tile_vectors = V::tile_vectors;

int64_t lesser(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/// Depth along the rows of memory: each group row of the panel comes from one row, or two that are interleaved.
void pack_rows(const Factor& source, int64_t count, int64_t width, int64_t depth, float* panel) {
  const bool whole = count == tile_vectors * V::lanes && depth % V::group == 0;
  for (int64_t p = 0; p < depth; p += V::group, panel += width) {
    const float* row = source.data + p * source.stride;
    if (whole) {
#pragma GCC unroll 4
      for (int j = 0; j < tile_vectors; ++j) {
        V::store(panel + j * V::lanes, V::pair_rows(row + j * V::lanes, row + source.stride + j * V::lanes));
      }
      continue;
    }
    const float* next = p + 1 < depth ? row + source.stride : nullptr;
    for (int64_t i = 0; i < width; i += V::lanes) {
      const int64_t valid = count - i < 0 ? 0 : lesser(count - i, V::lanes);
      V::store(panel + i, V::pair_rows(row + i, next ? next + i : nullptr, valid), lesser(width - i, V::lanes));
    }
  }
}

/// Depth contiguous in memory: squares of lanes x lanes groups are transposed in registers.
void pack_columns(const Factor& source, int64_t count, int64_t width, int64_t depth, float* panel) {
  constexpr int64_t step = V::lanes * V::group;
  for (int64_t p = 0; p < depth; p += step) {
    const int64_t valid = lesser(depth - p, step), groups = (valid + V::group - 1) / V::group;
    for (int64_t i = 0; i < width; i += V::lanes) {
      V::type square[V::lanes];
      for (int64_t r = 0; r < V::lanes; ++r) {
        square[r] = i + r < count ? V::load_groups(source.data + (i + r) * source.stride + p, valid) : V::zero();
      }
      V::transpose(square);
      const int64_t wide = lesser(width - i, V::lanes);
      for (int64_t r = 0; r < groups; ++r) V::store(panel + (p / V::group + r) * width + i, square[r], wide);
    }
  }
}

void pack(const Factor& source, int64_t count, int64_t width, int64_t depth, float* panel) {
  (source.depth_contiguous ? pack_columns : pack_rows)(source, count, width, depth, panel);
}

template <int vectors>
void finish_row(const V::type* sums, const TileOutput& out, int64_t row) {
  float* to = out.data + row * out.stride;
#pragma GCC unroll 4
  for (int j = 0; j < vectors; ++j, to += V::lanes) {
    const int64_t valid = lesser(out.columns - j * V::lanes, V::lanes);
    V::type sum = sums[j];
    if (out.bias) sum = V::add(sum, V::load(out.bias + j * V::lanes, valid));
    if (out.add) sum = V::add(sum, V::load(to, valid));
    if (out.stream) {
      V::stream(to, sum);
    } else {
      V::store(to, sum, valid);
    }
  }
}

/// All sums of a tile stay in registers; the rows of A are broadcast.
template <int vectors>
void tile_of(int64_t groups, const float* a, const float* b, const TileOutput& out) {
  V::type sums[tile_rows][vectors];
#pragma GCC unroll 16
  for (int i = 0; i < tile_rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j) sums[i][j] = V::zero();
  }
  // The tile's place is asked for now, so that it is there in the end.
  for (int64_t i = 0; !out.stream && i < out.rows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j) __builtin_prefetch(out.data + i * out.stride + j * V::lanes, 1);
  }
  for (int64_t p = 0; p < groups; ++p, a += tile_rows, b += vectors * V::lanes) {
    V::type column[vectors];
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j) column[j] = V::load(b + j * V::lanes);
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) {
      const V::type row = V::broadcast(a + i);
#pragma GCC unroll 4
      for (int j = 0; j < vectors; ++j) sums[i][j] = V::multiply_add(row, column[j], sums[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < tile_rows; ++i) {
    if (i < out.rows) finish_row<vectors>(sums[i], out, i);
  }
}

void tile(int64_t groups, const float* a, const float* b, const TileOutput& out) {
  switch ((out.columns + V::lanes - 1) / V::lanes) {
    case 1: return tile_of<1>(groups, a, b, out);
    case 2: return tile_of<2>(groups, a, b, out);
    default: return tile_of<tile_vectors>(groups, a, b, out);
  }
}

void finish_stream() {
  _mm_sfence();
}

constexpr Kernels kernels{V::name,  V::compute, tile_rows, tile_vectors* V::lanes, V::lanes,
                          V::group, pack,       tile,      finish_stream};
