// Local response normalisation on the CPU.
//
// Both regions come down to one shape: lines of numbers, of each of which n neighbours `step` apart are added up.
// Across channels a line is one pixel and step is 1; within a channel it is one image row, which already holds sums of
// n rows, and step is the number of channels. Lines are copied into a buffer with zeros between them, so that no window
// needs care at its ends, and the sums run over many lines at once. Every sum is taken anew: a running one would lose
// digits. Nothing is saved for backward: s is cheaper to compute again than to write and read.
#include <algorithm>
#include <limits>
#include <vector>

#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/channels_cpu.hpp"
#include "core/ops/elementwise_cpu.hpp"
#include "core/ops/lrn.hpp"
#include "core/ops/vector_math_cpu.hpp"

namespace convoy {
namespace {

/// Numbers of one block: few enough to stay in the first-level cache.
constexpr int64_t block_size = 1024;

/// `count` lines of `width` numbers, in tensors without gaps and in buffers `pitch` apart.
struct Lines {
  int64_t count, width, pitch;
};

/// s = k + alpha * sum, and the exponent.
struct Formula {
  float k, alpha, beta;  // alpha: divided by the elements of a window
};

/// s^-beta, and that over s.
struct Factors {
  float power, over_s;
};

struct ThreeQuarters {
  Factors operator()(float s) const {
    const float root = cpu::vector_inverse_fourth_root(s), square = root * root;
    // Newton's method does not take infinity.
    const float power = s > std::numeric_limits<float>::max() ? 0.0f : square * root;
    return {power, power * (square * square)};
  }
};

struct AnyBeta {
  float beta;
  Factors operator()(float s) const {
    const float power = cpu::vector_exp(-beta * cpu::vector_log(s));
    return {power, power / s};
  }
};

/// body(line's first element in tensors, in buffers, element) for all elements.
template <typename Body>
[[gnu::always_inline]] inline void over_lines(const Lines& lines, const Body& body) {
  for (int64_t line = 0; line < lines.count; ++line) {
    const int64_t dense = line * lines.width, padded = line * lines.pitch;
    cpu::over_channels_once(lines.width, [=](int64_t i) { body(dense + i, padded + i); });
  }
}

/// The same with the function of s that beta asks for: body(in tensors, in buffers, factors_of).
template <typename Body>
[[gnu::always_inline]] inline void over_lines(const Lines& lines, float beta, const Body& body) {
  if (beta == 0.75f) {
    over_lines(lines, [=](int64_t i, int64_t b) { body(i, b, ThreeQuarters{}); });
  } else {
    over_lines(lines, [=](int64_t i, int64_t b) { body(i, b, AnyBeta{beta}); });
  }
}

/// Sums of x^2 over `rows` rows `stride` apart.
CONVOY_ISA_CLONES void squares(const Lines& lines, const float* x, int64_t stride, int64_t rows,
                               float* __restrict buffer) {
  over_lines(lines, [=](int64_t i, int64_t b) { buffer[b] = x[i] * x[i]; });
  for (int64_t r = 1; r < rows; ++r) {
    const float* row = x + r * stride;
    over_lines(lines, [=](int64_t i, int64_t b) { buffer[b] += row[i] * row[i]; });
  }
}

CONVOY_ISA_CLONES void add_row(int64_t n, const float* from, float* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

CONVOY_ISA_CLONES void normalise(const Lines& lines, const Formula& f, const float* x, const float* sums,
                                 float* __restrict y) {
  const float k = f.k, alpha = f.alpha;
  over_lines(lines, f.beta, [=](int64_t i, int64_t b, const auto& factors_of) {
    y[i] = x[i] * factors_of(k + alpha * sums[b]).power;
  });
}

/// direct = dy s^-beta; slopes = dy y / s.
CONVOY_ISA_CLONES void slopes_of(const Lines& lines, const Formula& f, const float* x, const float* sums,
                                 const float* dy, float* __restrict direct, float* __restrict slopes) {
  const float k = f.k, alpha = f.alpha;
  over_lines(lines, f.beta, [=](int64_t i, int64_t b, const auto& factors_of) {
    const Factors factors = factors_of(k + alpha * sums[b]);
    direct[b] = dy[i] * factors.power;
    slopes[b] = dy[i] * x[i] * factors.over_s;
  });
}

/// dx = direct - factor x sums, or += it.
CONVOY_ISA_CLONES void combine(const Lines& lines, float factor, const float* x, const float* direct, const float* sums,
                               Write write, float* __restrict dx) {
  if (write == Write::accumulate) {
    over_lines(lines, [=](int64_t i, int64_t b) { dx[i] += direct[b] - factor * x[i] * sums[b]; });
  } else {
    over_lines(lines, [=](int64_t i, int64_t b) { dx[i] = direct[b] - factor * x[i] * sums[b]; });
  }
}

/// Room for lines with zeros around each, and for what is computed of them.
struct LineBuffers {
  std::vector<float> squares, sums, direct, slopes, slope_rows;
};

/// Rows of image row p's window that lie inside: [begin, end).
struct RowSpan {
  RowSpan(int64_t p, int64_t before, int64_t after, int64_t rows)
      : begin(std::max<int64_t>(p - before, 0)), end(std::min(p + after + 1, rows)) {}
  int64_t begin, end;
};

class CpuLrn final : public Lrn {
 public:
  CpuLrn(const LrnSpec& spec, const OpOptions& options)
      : spec_(spec),
        options_(options),
        across_(spec.region == LrnSpec::Region::across),
        lead_((spec.n - 1) / 2),
        tail_(spec.n - 1 - lead_),
        step_(across_ ? 1 : spec.input[2]),
        width_(across_ ? spec.input[2] : spec.input[1] * spec.input[2]),
        pitch_(width_ + (spec.n - 1) * step_) {
    const int64_t elements = across_ ? spec.n : spec.n * spec.n;
    formula_ = {spec.k, spec.alpha / static_cast<float>(elements), spec.beta};
    factor_ = 2 * formula_.alpha * spec.beta;
    block_ = across_ ? std::max<int64_t>(block_size / pitch_, 1) : spec.n;
    buffers_.resize(static_cast<size_t>(options.teams) * static_cast<size_t>(options.threads));
    for (LineBuffers& b : buffers_) {
      for (std::vector<float>* v : {&b.squares, &b.sums, &b.direct, &b.slopes, &b.slope_rows}) {
        v->resize(static_cast<size_t>(block_ * pitch_));
      }
    }
  }

  size_t scratch_bytes() const override { return 0; }

  void forward(const OpContext& context, const float* x, float* y) override {
    const TeamThreads threads(options_.threads);
    if (across_) {
      over_pixels(context, [&](const Lines& lines, int64_t at, LineBuffers& b) {
        normalise(lines, formula_, x + at, sums_of_pixels(lines, x + at, b), y + at);
      });
      return;
    }
    const int64_t rows = spec_.input[0];
    parallel_for(options_.batch * rows, grain(width_), [&](int64_t begin, int64_t end) {
      LineBuffers& b = mine(context);
      for (int64_t row = begin; row < end; ++row) {
        const int64_t image = row / rows * rows;
        normalise(row_line(), formula_, x + row * width_, sums_of_row(row - image, x + image * width_, b),
                  y + row * width_);
      }
    });
  }

  void backward(const OpContext& context, const float* x, const float* dy, float* dx, Write write) override {
    const TeamThreads threads(options_.threads);
    if (across_) {
      over_pixels(context, [&](const Lines& lines, int64_t at, LineBuffers& b) {
        const float* sums = sums_of_pixels(lines, x + at, b);
        slopes_of(lines, formula_, x + at, sums, dy + at, b.direct.data(), b.slopes.data() + tail_);
        cpu::sum_shifted(lines.count * pitch_ - (spec_.n - 1), spec_.n, 1, b.slopes.data(), b.sums.data());
        combine(lines, factor_, x + at, b.direct.data(), b.sums.data(), write, dx + at);
      });
      return;
    }
    const int64_t count = spec_.input.count();
    parallel_for(options_.batch, grain(count), [&](int64_t begin, int64_t end) {
      LineBuffers& b = mine(context);
      for (int64_t n = begin; n < end; ++n) backward_image(x + n * count, dy + n * count, b, write, dx + n * count);
    });
  }

 private:
  LineBuffers& mine(const OpContext& context) {
    const size_t first = static_cast<size_t>(context.team) * static_cast<size_t>(options_.threads);
    return buffers_[first + static_cast<size_t>(team_thread())];
  }

  static int64_t grain(int64_t elements) { return cpu::elementwise_grain / elements + 1; }

  /// f(lines, the first's place in x, buffers) for blocks of pixels.
  template <typename Function>
  void over_pixels(const OpContext& context, const Function& f) {
    const int64_t pixels = options_.batch * spec_.input[0] * spec_.input[1];
    parallel_for(pixels, grain(width_), [&](int64_t begin, int64_t end) {
      LineBuffers& b = mine(context);
      for (int64_t at = begin; at < end; at += block_) {
        f(Lines{std::min(block_, end - at), width_, pitch_}, at * width_, b);
      }
    });
  }

  const float* sums_of_pixels(const Lines& lines, const float* x, LineBuffers& b) const {
    squares(lines, x, 0, 1, b.squares.data() + lead_);
    cpu::sum_shifted(lines.count * pitch_ - (spec_.n - 1), spec_.n, 1, b.squares.data(), b.sums.data());
    return b.sums.data();
  }

  Lines row_line() const { return {1, width_, pitch_}; }

  const float* sums_of_row(int64_t p, const float* image, LineBuffers& b) const {
    const RowSpan rows(p, lead_, tail_, spec_.input[0]);
    squares(row_line(), image + rows.begin * width_, width_, rows.end - rows.begin, b.squares.data() + lead_ * step_);
    cpu::sum_shifted(width_, spec_.n, step_, b.squares.data(), b.sums.data());
    return b.sums.data();
  }

  /// The slopes of n rows are kept, row p at p % n; once they are there, the row in their middle can be finished.
  void backward_image(const float* x, const float* dy, LineBuffers& b, Write write, float* dx) const {
    const int64_t rows = spec_.input[0], n = spec_.n;
    for (int64_t p = 0; p < rows + lead_; ++p) {
      if (p < rows) {
        const int64_t at = p % n * pitch_;
        const float* sums = sums_of_row(p, x, b);
        slopes_of(row_line(), formula_, x + p * width_, sums, dy + p * width_, b.direct.data() + at,
                  b.slopes.data() + at + tail_ * step_);
      }
      if (p >= lead_) finish_row(p - lead_, x, b, write, dx);
    }
  }

  void finish_row(int64_t p, const float* x, LineBuffers& b, Write write, float* dx) const {
    const RowSpan rows(p, tail_, lead_, spec_.input[0]);
    for (int64_t row = rows.begin; row < rows.end; ++row) {
      const float* slopes = b.slopes.data() + row % spec_.n * pitch_;
      if (row == rows.begin) {
        std::copy_n(slopes, pitch_, b.slope_rows.data());
      } else {
        add_row(pitch_, slopes, b.slope_rows.data());
      }
    }
    cpu::sum_shifted(width_, spec_.n, step_, b.slope_rows.data(), b.sums.data());
    combine(row_line(), factor_, x + p * width_, b.direct.data() + p % spec_.n * pitch_, b.sums.data(), write,
            dx + p * width_);
  }

  const LrnSpec spec_;
  const OpOptions options_;
  const bool across_;
  const int64_t lead_, tail_;  // elements of a window before and after its own
  const int64_t step_, width_, pitch_;
  Formula formula_{};
  float factor_ = 0;                  // of the gradient's second term
  int64_t block_ = 1;                 // lines in a buffer
  std::vector<LineBuffers> buffers_;  // one per thread of each team
};

}  // namespace

std::unique_ptr<Lrn> make_lrn_cpu(Device&, const LrnSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuLrn>(spec, options);
}

}  // namespace convoy
