// Max pooling on the CPU.
//
// A window is folded in two steps, rows first, then columns: the first runs over whole contiguous image rows, whatever
// the number of channels, and its result serves all windows of an output row. Indices into the window travel beside
// the values as int32, so that value and index loops have equally many lanes, and become bytes at the end of a row.
#include <algorithm>
#include <vector>

#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/elementwise_cpu.hpp"
#include "core/ops/maxpool.hpp"

namespace convoy {
namespace {

constexpr int64_t lanes = 16;

/// body(c) for every channel, in blocks that fill whole vectors: the last block ends with the last channel and so may
/// repeat some of the one before. The body must bear being run twice.
template <typename Body>
[[gnu::always_inline]] inline void over_channels(int64_t channels, const Body& body) {
  if (channels < lanes) {
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) body(c);
    return;
  }
  for (int64_t begin = 0;; begin = std::min(begin + lanes, channels - lanes)) {
#pragma omp simd simdlen(lanes)
    for (int64_t c = 0; c < lanes; ++c) body(begin + c);
    if (begin + lanes >= channels) return;
  }
}

/// 1 if v takes the place of best: it is larger, or NaN. Numbers and bitwise "or", here and below, because a jump would
/// keep the compiler from vectorising.
inline int wins(float v, float best) {
  return static_cast<int>(v > best) | static_cast<int>(v != v);
}

/// value[i] = max over `rows` rows of x, index[i] = step * (the first row that has it), rows counted from `first`.
CONVOY_ISA_CLONES void fold_rows(int64_t n, const float* x, int64_t row_stride, int32_t first, int32_t rows,
                                 int32_t step, float* __restrict value, int32_t* __restrict index) {
  // One row is folded with itself, and counted as itself even where NaN wins.
  const float* second = rows > 1 ? x + row_stride : x;
  const int32_t next = rows > 1 ? 1 : 0;
  for (int64_t i = 0; i < n; ++i) {
    const int take = wins(second[i], x[i]);
    value[i] = take ? second[i] : x[i];
    index[i] = (first + (take & next)) * step;
  }
  for (int32_t r = 2; r < rows; ++r) {
    const float* row = x + r * row_stride;
    for (int64_t i = 0; i < n; ++i) {
      const int take = wins(row[i], value[i]);
      value[i] = take ? row[i] : value[i];
      index[i] = take ? (first + r) * step : index[i];
    }
  }
}

/// The best so far of one window's channels, or the first column's.
struct Best {
  const float* value;
  const int32_t* index;
  int32_t column;  // to be added to the index; 0 once it is in
};

/// y, index = the better of `best` and column `column`, (value, column_index) of which are fold_rows'. Of equal values
/// the one with the lower index wins: an earlier row goes before an earlier column.
[[gnu::always_inline]] inline void fold_column(int64_t channels, const Best& best, const float* value,
                                               const int32_t* column_index, int32_t column, float* y, int32_t* index) {
  over_channels(channels, [=](int64_t c) {
    const float v = value[c], old = best.value[c];
    const int32_t v_index = column_index[c] + column, old_index = best.index[c] + best.column;
    const int earlier = static_cast<int>(v == old) & static_cast<int>(v_index < old_index);
    const int take = wins(v, old) | earlier;
    y[c] = take ? v : old;
    index[c] = take ? v_index : old_index;
  });
}

/// The part of a window that lies inside the image, along one side.
struct Span {
  Span(int64_t output, int64_t stride, int64_t pad, int64_t kernel, int64_t size)
      : origin(output * stride - pad), begin(std::max<int64_t>(-origin, 0)), end(std::min(kernel, size - origin)) {}
  int64_t origin;      // in the image, of the window's element 0; negative inside the padding
  int64_t begin, end;  // elements of the window
};

/// One output row from the folded rows of its windows.
CONVOY_ISA_CLONES void fold_columns(const MaxPoolSpec& spec, const float* value, const int32_t* row_index, float* y,
                                    int32_t* index) {
  const int64_t channels = spec.input[2];
  for (int64_t q = 0; q < spec.output[1]; ++q, y += channels, index += channels) {
    const Span s(q, spec.stride.w, spec.padding.left, spec.kernel.w, spec.input[1]);
    const int64_t at = (s.origin + s.begin) * channels;
    Best best{value + at, row_index + at, static_cast<int32_t>(s.begin)};
    // Starting with the first column against itself serves windows of one column too.
    for (int64_t column = std::min(s.begin + 1, s.end - 1); column < s.end; ++column) {
      const int64_t here = (s.origin + column) * channels;
      fold_column(channels, best, value + here, row_index + here, static_cast<int32_t>(column), y, index);
      best = {y, index, 0};
    }
  }
}

CONVOY_ISA_CLONES void to_bytes(int64_t n, const int32_t* from, uint8_t* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<uint8_t>(from[i]);
}

CONVOY_ISA_CLONES void from_bytes(int64_t n, const uint8_t* from, int32_t* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}

/// dx of one image row where windows neither overlap nor leave gaps, so that every element is written once; the row is
/// the one that window indices first .. first + kernel - 1 lie in.
CONVOY_ISA_CLONES void spread_row(int64_t outputs, int64_t channels, int64_t kernel, int32_t first, const float* dy,
                                  const int32_t* index, float* __restrict dx) {
  for (int64_t q = 0; q < outputs; ++q, dy += channels, index += channels) {
    for (int32_t s = 0; s < kernel; ++s, dx += channels) {
      const int32_t here = first + s;
      over_channels(channels, [=](int64_t c) { dx[c] = index[c] == here ? dy[c] : 0; });
    }
  }
}

class CpuMaxPool final : public MaxPool {
 public:
  CpuMaxPool(const MaxPoolSpec& spec, const OpOptions& options)
      : spec_(spec),
        options_(options),
        row_(spec.input[1] * spec.input[2]),
        output_row_(spec.output[1] * spec.output[2]) {
    const Extent2& k = spec.kernel;
    tiled_ = k == spec.stride && spec.padding == Padding{} && spec.input[0] == spec.output[0] * k.h &&
             spec.input[1] == spec.output[1] * k.w;
    for (int64_t r = 0; r < k.h; ++r) {
      for (int64_t s = 0; s < k.w; ++s) offsets_.push_back(r * row_ + s * spec.input[2]);
    }
    buffers_.resize(static_cast<size_t>(options.teams) * static_cast<size_t>(options.threads));
    for (RowBuffers& buffers : buffers_) {
      buffers.value.resize(static_cast<size_t>(row_));
      buffers.row_index.resize(static_cast<size_t>(row_));
      buffers.index.resize(static_cast<size_t>(output_row_));
    }
  }

  size_t argmax_bytes() const override { return static_cast<size_t>(options_.batch * spec_.output.count()); }

  void forward(const OpContext& context, const float* x, float* y, void* argmax) override {
    const TeamThreads threads(options_.threads);
    const int64_t rows = spec_.output[0];
    const int64_t grain = cpu::elementwise_grain / (spec_.kernel.h * row_) + 1;
    parallel_for(options_.batch * rows, grain, [&](int64_t begin, int64_t end) {
      RowBuffers& buffers = mine(context);
      for (int64_t i = begin; i < end; ++i) {
        forward_row(x + i / rows * spec_.input.count(), i % rows, buffers, y + i * output_row_);
        if (argmax) to_bytes(output_row_, buffers.index.data(), static_cast<uint8_t*>(argmax) + i * output_row_);
      }
    });
  }

  void backward(const OpContext& context, const float* dy, const void* argmax, float* dx, Write write) override {
    const TeamThreads threads(options_.threads);
    const int64_t inputs = spec_.input.count(), outputs = spec_.output.count();
    // Windows may overlap, but never across images.
    parallel_for(options_.batch, cpu::elementwise_grain / inputs + 1, [&](int64_t begin, int64_t end) {
      RowBuffers& buffers = mine(context);
      for (int64_t n = begin; n < end; ++n) {
        const uint8_t* index = static_cast<const uint8_t*>(argmax) + n * outputs;
        if (tiled_ && write == Write::overwrite) {
          spread(dy + n * outputs, index, buffers, dx + n * inputs);
        } else {
          if (write == Write::overwrite) std::fill_n(dx + n * inputs, inputs, 0.0f);
          scatter(dy + n * outputs, index, dx + n * inputs);
        }
      }
    });
  }

 private:
  struct RowBuffers {
    std::vector<float> value;        // (W, C), rows folded
    std::vector<int32_t> row_index;  // likewise
    std::vector<int32_t> index;      // (Q, C)
  };

  RowBuffers& mine(const OpContext& context) {
    const size_t first = static_cast<size_t>(context.team) * static_cast<size_t>(options_.threads);
    return buffers_[first + static_cast<size_t>(team_thread())];
  }

  void forward_row(const float* image, int64_t p, RowBuffers& buffers, float* y) const {
    const Span r(p, spec_.stride.h, spec_.padding.top, spec_.kernel.h, spec_.input[0]);
    fold_rows(row_, image + (r.origin + r.begin) * row_, row_, static_cast<int32_t>(r.begin),
              static_cast<int32_t>(r.end - r.begin), static_cast<int32_t>(spec_.kernel.w), buffers.value.data(),
              buffers.row_index.data());
    fold_columns(spec_, buffers.value.data(), buffers.row_index.data(), y, buffers.index.data());
  }

  void spread(const float* dy, const uint8_t* argmax, RowBuffers& buffers, float* dx) const {
    const Extent2& k = spec_.kernel;
    for (int64_t p = 0; p < spec_.output[0]; ++p, dy += output_row_, argmax += output_row_) {
      from_bytes(output_row_, argmax, buffers.index.data());
      for (int64_t r = 0; r < k.h; ++r, dx += row_) {
        spread_row(spec_.output[1], spec_.input[2], k.w, static_cast<int32_t>(r * k.w), dy, buffers.index.data(), dx);
      }
    }
  }

  void scatter(const float* dy, const uint8_t* argmax, float* dx) const {
    const int64_t channels = spec_.input[2];
    for (int64_t p = 0; p < spec_.output[0]; ++p) {
      for (int64_t q = 0; q < spec_.output[1]; ++q, dy += channels, argmax += channels) {
        // An offset from the image's start: the window's own may lie before it.
        const int64_t origin =
            (p * spec_.stride.h - spec_.padding.top) * row_ + (q * spec_.stride.w - spec_.padding.left) * channels;
        for (int64_t c = 0; c < channels; ++c) dx[origin + offsets_[argmax[c]] + c] += dy[c];
      }
    }
  }

  const MaxPoolSpec spec_;
  const OpOptions options_;
  const int64_t row_, output_row_;   // elements of a row of x and of y
  bool tiled_ = false;               // windows neither overlap nor leave gaps, nor reach into padding
  std::vector<int64_t> offsets_;     // of a window's elements from its first, by argmax
  std::vector<RowBuffers> buffers_;  // one per thread of each team
};

}  // namespace

std::unique_ptr<MaxPool> make_maxpool_cpu(Device&, const MaxPoolSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuMaxPool>(spec, options);
}

}  // namespace convoy
