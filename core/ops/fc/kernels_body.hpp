// The body shared by kernels_*.cpp. Each defines `Vector` for its instruction set in an unnamed namespace, then
// includes this file there, all under its target pragma: nothing in here may leave the file as a shared inline
// function.
//
// Vector: type, `lanes`, `group`; zero, load, store of whole vectors and of the first n lanes, stream, add, broadcast,
// multiply_add, load_groups (depth contiguous), pair_rows (depth along rows), transpose of lanes x lanes groups.
#pragma once

using V = Vector;
constexpr int tile_rows = V::tile_rows, tile_vectors = V::tile_vectors;
constexpr int run_vectors = Kernels::run_vectors;
constexpr int line_groups = tile_rows * tile_vectors / run_vectors;  // of lines that are added at once

constexpr int64_t lesser(int64_t a, int64_t b) {
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
[[gnu::always_inline]] inline void finish_row(const V::type* sums, const TileOutput& out, int64_t row) {
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

void copy_lines(const Factor& source, int64_t count, int64_t rows, int64_t depth, float* to, int64_t stride) {
  constexpr int64_t step = V::lanes * V::group;
  for (int64_t i = 0; i < rows; ++i, to += stride) {
    const float* line = source.data + i * source.stride;
    for (int64_t p = 0; p < depth; p += step) {
      V::store(to + p / V::group, i < count ? V::load_groups(line + p, lesser(depth - p, step)) : V::zero());
    }
  }
}

/// The sums of a tile of lines, samples along the vectors, are turned over as they are stored.
template <int vectors, int lines>
void finish_lines(V::type (*sums)[vectors], const TileOutput& out) {
  const V::type bias = out.bias ? V::load(out.bias, out.columns) : V::zero();
#pragma GCC unroll 4
  for (int j = 0; j < vectors; ++j) {
    V::type square[V::lanes];
#pragma GCC unroll 16
    for (int i = 0; i < V::lanes; ++i) square[i] = i < lines ? sums[i < lines ? i : 0][j] : V::zero();
    V::transpose(square);
    float* to = out.data + j * V::lanes * out.stride;
    const int64_t rows = lesser(out.rows - j * V::lanes, V::lanes);
    for (int64_t i = 0; i < rows; ++i, to += out.stride) {
      V::type sum = square[i];
      if (out.bias) sum = V::add(sum, bias);
      if (out.add) sum = V::add(sum, V::load(to, out.columns));
      V::store(to, sum, out.columns);
    }
  }
}

template <int vectors>
void tile_of_lines_of(int64_t groups, const float* a, const float* b, int64_t stride, const TileOutput& out) {
  constexpr int lines = lesser(tile_rows * tile_vectors / vectors, V::lanes);
  V::type sums[lines][vectors];
#pragma GCC unroll 16
  for (int i = 0; i < lines; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j) sums[i][j] = V::zero();
  }
  const float* line[(lines + 3) / 4];  // every fourth, which leaves registers for the rest
#pragma GCC unroll 4
  for (int i = 0; i < (lines + 3) / 4; ++i) line[i] = b + 4 * i * stride;
  for (int64_t p = 0; p < groups; ++p, a += vectors * V::lanes) {
    V::type sample[vectors];
#pragma GCC unroll 4
    for (int j = 0; j < vectors; ++j) sample[j] = V::load(a + j * V::lanes);
#pragma GCC unroll 16
    for (int i = 0; i < lines; ++i) {
      const V::type weight = V::broadcast(line[i / 4] + i % 4 * stride + p);
#pragma GCC unroll 4
      for (int j = 0; j < vectors; ++j) sums[i][j] = V::multiply_add(weight, sample[j], sums[i][j]);
    }
  }
  finish_lines<vectors, lines>(sums, out);
}

void tile_of_lines(int64_t groups, int64_t vectors, const float* a, const float* b, int64_t stride,
                   const TileOutput& out) {
  switch (vectors) {
    case 1: return tile_of_lines_of<1>(groups, a, b, stride, out);
    case 2: return tile_of_lines_of<2>(groups, a, b, stride, out);
    case 3: return tile_of_lines_of<3>(groups, a, b, stride, out);
    default: return tile_of_lines_of<4>(groups, a, b, stride, out);
  }
}

/// Adds `groups` groups of lines to the sums of `rows` rows: two, so that the sums of one needn't wait for each other.
template <int groups, int rows>
[[gnu::always_inline]] inline void add_to_rows(const V::type (&line)[groups][run_vectors], const float* a,
                                               int64_t a_stride, float* sums) {
  V::type sum[rows * run_vectors];
#pragma GCC unroll 4
  for (int j = 0; j < rows * run_vectors; ++j) sum[j] = V::load(sums + j * V::lanes);
#pragma GCC unroll 12
  for (int g = 0; g < groups; ++g) {
#pragma GCC unroll 2
    for (int i = 0; i < rows; ++i) {
      const V::type factor = V::broadcast(a + i * a_stride + g);
#pragma GCC unroll 2
      for (int j = 0; j < run_vectors; ++j) {
        V::type& to = sum[i * run_vectors + j];
        to = V::multiply_add(factor, line[g][j], to);
      }
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < rows * run_vectors; ++j) V::store(sums + j * V::lanes, sum[j]);
}

/// One run of columns of `groups` groups of lines, which stay in registers; the sums come and go.
template <int groups>
void add_run(const Factor& b, int64_t lines, int64_t columns, const float* a, int64_t a_stride, int64_t rows,
             float* sums) {
  V::type line[groups][run_vectors];
#pragma GCC unroll 12
  for (int g = 0; g < groups; ++g) {
    const float* row = b.data + g * V::group * b.stride;
    const float* next = g * V::group + 1 < lines ? row + b.stride : nullptr;
#pragma GCC unroll 2
    for (int j = 0; j < run_vectors; ++j) {
      const int64_t first = j * V::lanes, valid = lesser(columns - first, V::lanes);
      line[g][j] = valid > 0 ? V::pair_rows(row + first, next ? next + first : nullptr, valid) : V::zero();
    }
  }
  int64_t i = 0;
  for (; i + 2 <= rows; i += 2) {
    add_to_rows<groups, 2>(line, a + i * a_stride, a_stride, sums + i * run_vectors * V::lanes);
  }
  if (i < rows) add_to_rows<groups, 1>(line, a + i * a_stride, a_stride, sums + i * run_vectors * V::lanes);
}

void add_lines(const Factor& b, int64_t lines, int64_t columns, const float* a, int64_t a_stride, int64_t rows,
               float* sums) {
  constexpr int64_t run = run_vectors * V::lanes;
  for (int64_t c = 0; c < columns; c += run, sums += rows * run) {
    const Factor from{b.data + c, b.stride, false};
    if (lines == line_groups * V::group) {
      add_run<line_groups>(from, lines, columns - c, a, a_stride, rows, sums);
      continue;
    }
    for (int64_t first = 0; first < lines; first += V::group) {
      add_run<1>({from.data + first * b.stride, b.stride, false}, lines - first, columns - c, a + first / V::group,
                 a_stride, rows, sums);
    }
  }
}

void finish_stream() {
  _mm_sfence();
}

constexpr Kernels kernels{.name = V::name,
                          .compute = V::compute,
                          .rows = tile_rows,
                          .columns = tile_vectors * V::lanes,
                          .lanes = V::lanes,
                          .group = V::group,
                          .pack = pack,
                          .tile = tile,
                          .finish_stream = finish_stream,
                          .copy_lines = copy_lines,
                          .tile_of_lines = tile_of_lines,
                          .add_lines = add_lines,
                          .lines_added = line_groups * V::group};
