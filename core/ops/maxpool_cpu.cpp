// Max pooling on the CPU.
//
// A window is folded in two steps, rows first, then columns: the first runs over whole contiguous image rows, whatever
// the number of channels, and its result serves all windows of an output row. Indices into the window travel beside
// the values as int32, so that value and index loops have equally many lanes, and become bytes at the end of a row.
//
// Backward goes over the pixels of dx and asks the windows that hold each whether it was their largest, so that every
// element is written once, whether windows overlap or leave gaps.
#include <algorithm>
#include <numeric>
#include <vector>

#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/channels_cpu.hpp"
#include "core/ops/elementwise_cpu.hpp"
#include "core/ops/maxpool.hpp"

namespace convoy {
namespace {

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
  cpu::over_channels(channels, [=](int64_t c) {
    const float v = value[c], old = best.value[c];
    const int32_t v_index = column_index[c] + column, old_index = best.index[c] + best.column;
    const int earlier = static_cast<int>(v == old) & static_cast<int>(v_index < old_index);
    const int take = wins(v, old) | earlier;
    y[c] = take ? v : old;
    index[c] = take ? v_index : old_index;
  });
}

/// One output row from the folded rows of its windows, which take in every dilation-th column.
CONVOY_ISA_CLONES void fold_columns(const std::vector<cpu::WindowSpan>& windows, int64_t dilation, int64_t channels,
                                    const float* value, const int32_t* row_index, float* y, int32_t* index) {
  for (const cpu::WindowSpan& s : windows) {
    const int64_t at = (s.origin + s.begin * dilation) * channels;
    Best best{value + at, row_index + at, static_cast<int32_t>(s.begin)};
    // Starting with the first column against itself serves windows of one column too.
    for (int64_t column = std::min(s.begin + 1, s.end - 1); column < s.end; ++column) {
      const int64_t here = (s.origin + column * dilation) * channels;
      fold_column(channels, best, value + here, row_index + here, static_cast<int32_t>(column), y, index);
      best = {y, index, 0};
    }
    y += channels;
    index += channels;
  }
}

/// An argmax that no pixel has.
constexpr int32_t nowhere = 255;

CONVOY_ISA_CLONES void to_bytes(int64_t n, const int32_t* from, uint8_t* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<uint8_t>(from[i]);
}

/// Where a relu's gradient is 0, no pixel gets any.
CONVOY_ISA_CLONES void forget_stopped(int64_t n, const float* y, int32_t* index) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) index[i] = y[i] > 0 ? index[i] : nowhere;
}

CONVOY_ISA_CLONES void from_bytes(int64_t n, const uint8_t* from, int32_t* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}

/// From one window that holds a pixel to the next that does: so many windows on, where the pixel's number is so many
/// less. {1, stride} without dilation.
struct Step {
  int64_t windows;
  int32_t elements;
};

/// The windows of an output row that hold one column of the image: `count` of them from `begin` on, a Step apart. The
/// column is number `element` in the first.
struct Holders {
  int64_t begin, count;
  int32_t element;
};

/// One output row, and the first window index of the image row that asks.
struct OutputRow {
  const float* dy;
  const int32_t* index;
  int32_t first;
};

/// What one window passes to an element.
[[gnu::always_inline]] inline float passed(float dy, int32_t index, int32_t here) {
  return index == here ? dy : 0;
}

/// dx of one image row = what the windows of one output row pass to it.
CONVOY_ISA_CLONES void gather_row(const std::vector<Holders>& columns, int64_t channels, Step step,
                                  const OutputRow& row, float* __restrict dx) {
  const int64_t hop = step.windows * channels;
  for (const Holders& h : columns) {
    const float *d = row.dy + h.begin * channels, *next = d + hop;
    const int32_t *i = row.index + h.begin * channels, *next_i = i + hop;
    const int32_t here = row.first + h.element;
    if (h.count == 0) {
      cpu::over_channels(channels, [=](int64_t c) { dx[c] = 0; });
    } else if (h.count == 1) {
      cpu::over_channels(channels, [=](int64_t c) { dx[c] = passed(d[c], i[c], here); });
    } else {
      cpu::over_channels(channels, [=](int64_t c) {
        dx[c] = passed(d[c], i[c], here) + passed(next[c], next_i[c], here - step.elements);
      });
      for (int64_t q = 2; q < h.count; ++q) {
        const float* dq = d + q * hop;
        const int32_t *iq = i + q * hop, at = here - static_cast<int32_t>(q) * step.elements;
        cpu::over_channels_once(channels, [=](int64_t c) { dx[c] += passed(dq[c], iq[c], at); });
      }
    }
    dx += channels;
  }
}

/// dx of one image row = what the windows of two output rows pass to it, without a second visit to dx.
CONVOY_ISA_CLONES void gather_two_rows(const std::vector<Holders>& columns, int64_t channels, Step step,
                                       const OutputRow& above, const OutputRow& below, float* __restrict dx) {
  const int64_t hop = step.windows * channels;
  for (const Holders& h : columns) {
    const int64_t at = h.begin * channels;
    const float *a = above.dy + at, *b = below.dy + at, *next_a = a + hop, *next_b = b + hop;
    const int32_t *ia = above.index + at, *ib = below.index + at, *next_ia = ia + hop, *next_ib = ib + hop;
    const int32_t here_a = above.first + h.element, here_b = below.first + h.element;
    if (h.count == 0) {
      cpu::over_channels(channels, [=](int64_t c) { dx[c] = 0; });
    } else if (h.count == 1) {
      cpu::over_channels(channels,
                         [=](int64_t c) { dx[c] = passed(a[c], ia[c], here_a) + passed(b[c], ib[c], here_b); });
    } else {
      cpu::over_channels(channels, [=](int64_t c) {
        dx[c] = (passed(a[c], ia[c], here_a) + passed(next_a[c], next_ia[c], here_a - step.elements)) +
                (passed(b[c], ib[c], here_b) + passed(next_b[c], next_ib[c], here_b - step.elements));
      });
      for (int64_t q = 2; q < h.count; ++q) {
        const int64_t on = q * hop;
        const int32_t back = static_cast<int32_t>(q) * step.elements;
        cpu::over_channels_once(channels, [=](int64_t c) {
          dx[c] += passed(a[on + c], ia[on + c], here_a - back) + passed(b[on + c], ib[on + c], here_b - back);
        });
      }
    }
    dx += channels;
  }
}

/// dx += the same.
CONVOY_ISA_CLONES void add_row(const std::vector<Holders>& columns, int64_t channels, Step step, const OutputRow& row,
                               float* __restrict dx) {
  const int64_t hop = step.windows * channels;
  for (const Holders& h : columns) {
    const float* d = row.dy + h.begin * channels;
    const int32_t* i = row.index + h.begin * channels;
    int32_t here = row.first + h.element;
    for (int64_t q = 0; q < h.count; ++q, d += hop, i += hop, here -= step.elements) {
      cpu::over_channels_once(channels, [=](int64_t c) { dx[c] += passed(d[c], i[c], here); });
    }
    dx += channels;
  }
}

/// dx of one image row where every pixel lies in exactly one window, so that dy and index serve a window's columns in a
/// row.
CONVOY_ISA_CLONES void spread_row(int64_t outputs, int64_t channels, int64_t kernel, const OutputRow& row,
                                  float* __restrict dx) {
  const float* dy = row.dy;
  const int32_t* index = row.index;
  for (int64_t q = 0; q < outputs; ++q, dy += channels, index += channels) {
    for (int32_t s = 0; s < kernel; ++s, dx += channels) {
      const int32_t here = row.first + s;
      cpu::over_channels(channels, [=](int64_t c) { dx[c] = passed(dy[c], index[c], here); });
    }
  }
}

class CpuMaxPool final : public MaxPool {
 public:
  CpuMaxPool(const MaxPoolSpec& spec, const OpOptions& options)
      : spec_(spec),
        options_(options),
        row_(spec.input[1] * spec.input[2]),
        output_row_(spec.output[1] * spec.output[2]),
        down_(step(spec.stride.h, spec.dilation.h)),
        along_(step(spec.stride.w, spec.dilation.w)) {
    const Extent2 &k = spec.kernel, &s = spec.stride, &d = spec.dilation;
    for (int64_t w = 0; w < spec.input[1]; ++w) {
      columns_.push_back(holders(w + spec.padding.left, k.w, s.w, d.w, spec.output[1]));
    }
    for (int64_t h = 0; h < spec.input[0]; ++h) {
      rows_.push_back(holders(h + spec.padding.top, k.h, s.h, d.h, spec.output[0]));
    }
    for (int64_t q = 0; q < spec.output[1]; ++q) {
      windows_.emplace_back(q, s.w, spec.padding.left, k.w, d.w, spec.input[1]);
    }
    kept_rows_ = std::min(d.h * (k.h - 1) / s.h + 1, spec.output[0]);
    tiled_ = k == s && d == Extent2{1, 1} && spec.padding == Padding{} && spec.input[0] == spec.output[0] * k.h &&
             spec.input[1] == spec.output[1] * k.w;
    buffers_.resize(static_cast<size_t>(options.teams) * static_cast<size_t>(options.threads));
    for (RowBuffers& buffers : buffers_) {
      buffers.value.resize(static_cast<size_t>(row_));
      buffers.row_index.resize(static_cast<size_t>(row_));
      buffers.index.resize(static_cast<size_t>(kept_rows_ * output_row_));
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
        if (!argmax) continue;
        if (spec_.masks_relu) forget_stopped(output_row_, y + i * output_row_, buffers.index.data());
        to_bytes(output_row_, buffers.index.data(), static_cast<uint8_t*>(argmax) + i * output_row_);
      }
    });
  }

  void backward(const OpContext& context, const float* dy, const void* argmax, float* dx, Write write) override {
    const TeamThreads threads(options_.threads);
    const int64_t inputs = spec_.input.count(), outputs = spec_.output.count();
    parallel_for(options_.batch, cpu::elementwise_grain / inputs + 1, [&](int64_t begin, int64_t end) {
      RowBuffers& buffers = mine(context);
      for (int64_t n = begin; n < end; ++n) {
        gather(dy + n * outputs, static_cast<const uint8_t*>(argmax) + n * outputs, buffers, write, dx + n * inputs);
      }
    });
  }

 private:
  struct RowBuffers {
    std::vector<float> value;        // (W, C), rows folded
    std::vector<int32_t> row_index;  // likewise
    std::vector<int32_t> index;      // (Q, C) of forward's row; of kept_rows_ in backward
  };

  RowBuffers& mine(const OpContext& context) {
    const size_t first = static_cast<size_t>(context.team) * static_cast<size_t>(options_.threads);
    return buffers_[first + static_cast<size_t>(team_thread())];
  }

  void forward_row(const float* image, int64_t p, RowBuffers& buffers, float* y) const {
    const int64_t dilation = spec_.dilation.h;
    const cpu::WindowSpan r(p, spec_.stride.h, spec_.padding.top, spec_.kernel.h, dilation, spec_.input[0]);
    fold_rows(row_, image + (r.origin + r.begin * dilation) * row_, dilation * row_, static_cast<int32_t>(r.begin),
              static_cast<int32_t>(r.end - r.begin), static_cast<int32_t>(spec_.kernel.w), buffers.value.data(),
              buffers.row_index.data());
    fold_columns(windows_, spec_.dilation.w, spec_.input[2], buffers.value.data(), buffers.row_index.data(), y,
                 buffers.index.data());
  }

  /// `at` counts from the start of the padding.
  static Holders holders(int64_t at, int64_t kernel, int64_t stride, int64_t dilation, int64_t windows) {
    Holders found{0, 0, 0};
    for (int64_t q = std::min(at / stride, windows - 1); q >= 0 && at - q * stride <= dilation * (kernel - 1); --q) {
      if ((at - q * stride) % dilation != 0) continue;
      found = {q, found.count + 1, static_cast<int32_t>((at - q * stride) / dilation)};
    }
    return found;
  }

  static Step step(int64_t stride, int64_t dilation) {
    const int64_t common = std::gcd(stride, dilation);
    return {dilation / common, static_cast<int32_t>(stride / common)};
  }

  /// dx of one image, row by row. Output rows are unpacked when first met, and kept while a window can reach so far.
  void gather(const float* dy, const uint8_t* argmax, RowBuffers& buffers, Write write, float* dx) const {
    int64_t unpacked = 0;
    for (const Holders& row : rows_) {
      const int64_t last = row.begin + (row.count - 1) * down_.windows;
      for (; unpacked <= last; ++unpacked) {
        from_bytes(output_row_, argmax + unpacked * output_row_, index_of(unpacked, buffers));
      }
      gather_into_row(row, dy, buffers, write, dx);
      dx += row_;
    }
  }

  void gather_into_row(const Holders& row, const float* dy, RowBuffers& buffers, Write write, float* dx) const {
    const int64_t channels = spec_.input[2];
    const auto kernel = static_cast<int32_t>(spec_.kernel.w);
    const auto holder = [&](int64_t i) {
      const int64_t p = row.begin + i * down_.windows;
      const int32_t element = row.element - static_cast<int32_t>(i) * down_.elements;
      return OutputRow{dy + p * output_row_, index_of(p, buffers), element * kernel};
    };
    int64_t done = 0;
    if (write == Write::overwrite) {
      if (row.count == 0) {
        std::fill_n(dx, row_, 0.0f);
      } else if (tiled_) {
        spread_row(spec_.output[1], channels, kernel, holder(done++), dx);
      } else if (row.count == 1) {
        gather_row(columns_, channels, along_, holder(done++), dx);
      } else {
        gather_two_rows(columns_, channels, along_, holder(0), holder(1), dx);
        done = 2;
      }
    }
    for (; done < row.count; ++done) add_row(columns_, channels, along_, holder(done), dx);
  }

  int32_t* index_of(int64_t p, RowBuffers& buffers) const {
    return buffers.index.data() + p % kept_rows_ * output_row_;
  }

  const MaxPoolSpec spec_;
  const OpOptions options_;
  const int64_t row_, output_row_;        // elements of a row of x and of y
  const Step down_, along_;               // from row to row of y, and within a row
  std::vector<Holders> rows_;             // output rows whose windows hold each row of the image
  std::vector<Holders> columns_;          // likewise
  std::vector<cpu::WindowSpan> windows_;  // the columns of each window
  bool tiled_ = false;                    // windows neither overlap nor leave gaps, nor reach into padding
  int64_t kept_rows_ = 1;                 // output rows from the first to the last that reach one row of the image
  std::vector<RowBuffers> buffers_;       // one per thread of each team
};

}  // namespace

std::unique_ptr<MaxPool> make_maxpool_cpu(Device&, const MaxPoolSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuMaxPool>(spec, options);
}

}  // namespace convoy
