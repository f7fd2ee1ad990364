// Average pooling on the CPU.
//
// Both passes work on one row of their result at a time, in two steps, so that every element is written once: first
// whole contiguous rows are added up, then neighbouring pixels of that sum. Backward's rows are those of dx; which
// windows hold a pixel is again a range, since windows are in order.
#include <algorithm>
#include <vector>

#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/avgpool.hpp"
#include "core/ops/channels_cpu.hpp"
#include "core/ops/elementwise_cpu.hpp"

namespace convoy {
namespace {

/// Pixels, rows or windows [begin, end) along one side.
struct Range {
  int64_t begin, end;
};

/// One side of the windows.
struct Side {
  int64_t input, output, kernel, stride, before, after;

  Range pixels_of_window(int64_t window) const {
    const int64_t origin = window * stride - before;
    return {std::max<int64_t>(origin, 0), std::min(origin + kernel, input)};
  }
  Range windows_of_pixel(int64_t pixel) const {
    const int64_t past_first = pixel + before - kernel + 1;
    const int64_t begin = past_first > 0 ? (past_first + stride - 1) / stride : 0;
    return {begin, std::min((pixel + before) / stride + 1, output)};
  }
  int64_t divisor(int64_t window, PoolDivisor which) const {
    const Range inside = pixels_of_window(window);
    if (which == PoolDivisor::inside) return inside.end - inside.begin;
    const int64_t origin = window * stride - before;
    return std::min(origin + kernel, input + after) - origin;
  }
};

/// y = scale * x, or += it, a row of pixels; one scale per pixel.
CONVOY_ISA_CLONES void scale_pixels(int64_t pixels, int64_t channels, const float* scale, const float* x, Write write,
                                    float* __restrict y) {
  for (int64_t p = 0; p < pixels; ++p, x += channels, y += channels) {
    const float factor = scale[p];
    if (write == Write::accumulate) {
      cpu::over_channels_once(channels, [=](int64_t c) { y[c] += factor * x[c]; });
    } else {
      cpu::over_channels(channels, [=](int64_t c) { y[c] = factor * x[c]; });
    }
  }
}

/// y = scale * the sum of `pixels` neighbouring pixels of x.
[[gnu::always_inline]] inline void sum_pixels(int64_t channels, int64_t pixels, const float* x, float scale,
                                              float* __restrict y) {
  const float *second = x + channels, *third = second + channels;
  if (pixels <= 0) {
    cpu::over_channels(channels, [=](int64_t c) { y[c] = 0; });
  } else if (pixels == 1) {
    cpu::over_channels(channels, [=](int64_t c) { y[c] = scale * x[c]; });
  } else if (pixels == 2) {
    cpu::over_channels(channels, [=](int64_t c) { y[c] = scale * (x[c] + second[c]); });
  } else if (pixels == 3) {
    cpu::over_channels(channels, [=](int64_t c) { y[c] = scale * ((x[c] + second[c]) + third[c]); });
  } else {
    cpu::over_channels(channels, [=](int64_t c) { y[c] = (x[c] + second[c]) + third[c]; });
    for (int64_t p = 3; p < pixels; ++p) {
      const float* next = x + p * channels;
      cpu::over_channels_once(channels, [=](int64_t c) { y[c] += next[c]; });
    }
    cpu::over_channels_once(channels, [=](int64_t c) { y[c] *= scale; });
  }
}

/// Every pixel of y: scale * the sum of its range of pixels of x.
CONVOY_ISA_CLONES void sum_ranges(const std::vector<Range>& ranges, int64_t channels, const float* scale,
                                  const float* x, float* __restrict y) {
  for (const Range& range : ranges) {
    sum_pixels(channels, range.end - range.begin, x + range.begin * channels, *scale, y);
    ++scale;
    y += channels;
  }
}

/// Every pixel of y += the sum of its range of pixels of x.
CONVOY_ISA_CLONES void add_ranges(const std::vector<Range>& ranges, int64_t channels, const float* x,
                                  float* __restrict y) {
  for (const Range& range : ranges) {
    for (int64_t p = range.begin; p < range.end; ++p) {
      const float* pixel = x + p * channels;
      cpu::over_channels_once(channels, [=](int64_t c) { y[c] += pixel[c]; });
    }
    y += channels;
  }
}

/// Windows as wide as the image hold whole rows: the same as columns of single pixels, which need no second step.
AvgPoolSpec as_columns(AvgPoolSpec spec) {
  const int64_t width = spec.input[1];
  const Padding& pad = spec.padding;
  if (spec.output[1] != 1 || pad.left != 0 || pad.right != 0 || spec.kernel.w < width) return spec;
  spec.input = {spec.input[0] * width, 1, spec.input[2]};
  spec.kernel = {spec.kernel.h * width, 1};
  spec.stride = {spec.stride.h * width, 1};
  spec.padding = {.top = pad.top * width, .bottom = pad.bottom * width};
  return spec;
}

class CpuAvgPool final : public AvgPool {
 public:
  CpuAvgPool(const AvgPoolSpec& given, const OpOptions& options)
      : options_(options), spec_(as_columns(given)), channels_(spec_.input[2]) {
    const Padding& pad = spec_.padding;
    rows_ = {spec_.input[0], spec_.output[0], spec_.kernel.h, spec_.stride.h, pad.top, pad.bottom};
    const Side columns{spec_.input[1], spec_.output[1], spec_.kernel.w, spec_.stride.w, pad.left, pad.right};
    for (int64_t p = 0; p < rows_.output; ++p) {
      for (int64_t q = 0; q < columns.output; ++q) {
        const int64_t divisor = rows_.divisor(p, spec_.divisor) * columns.divisor(q, spec_.divisor);
        scale_.push_back(1.0f / static_cast<float>(divisor));
      }
    }
    for (int64_t q = 0; q < columns.output; ++q) windows_.push_back(columns.pixels_of_window(q));
    for (int64_t w = 0; w < columns.input; ++w) pixels_.push_back(columns.windows_of_pixel(w));
    ones_.assign(pixels_.size(), 1.0f);
    sums_.resize(static_cast<size_t>(options.teams) * static_cast<size_t>(options.threads));
    for (std::vector<float>& sums : sums_) {
      sums.resize(static_cast<size_t>(std::max(columns.input, columns.output) * channels_));
    }
  }

  void forward(const OpContext& context, const float* x, float* y) override {
    const TeamThreads threads(options_.threads);
    const int64_t row = spec_.input[1] * channels_, output_row = spec_.output[1] * channels_;
    const int64_t grain = cpu::elementwise_grain / (spec_.kernel.h * row) + 1;
    parallel_for(options_.batch * rows_.output, grain, [&](int64_t begin, int64_t end) {
      std::vector<float>& sums = mine(context);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t p = i % rows_.output;
        const Range inside = rows_.pixels_of_window(p);
        const float* first = x + (i / rows_.output * rows_.input + inside.begin) * row;
        cpu::sum_shifted(row, inside.end - inside.begin, row, first, sums.data());
        sum_ranges(windows_, channels_, scales_of(p), sums.data(), y + i * output_row);
      }
    });
  }

  void backward(const OpContext& context, const float* dy, float* dx, Write write) override {
    const TeamThreads threads(options_.threads);
    const int64_t row = spec_.input[1] * channels_, output_row = spec_.output[1] * channels_;
    parallel_for(options_.batch * rows_.input, cpu::elementwise_grain / row + 1, [&](int64_t begin, int64_t end) {
      std::vector<float>& sums = mine(context);
      for (int64_t i = begin; i < end; ++i) {
        const Range windows = rows_.windows_of_pixel(i % rows_.input);
        if (windows.begin >= windows.end) std::fill_n(sums.data(), output_row, 0.0f);
        for (int64_t p = windows.begin; p < windows.end; ++p) {
          scale_pixels(spec_.output[1], channels_, scales_of(p), dy + (i / rows_.input * rows_.output + p) * output_row,
                       p == windows.begin ? Write::overwrite : Write::accumulate, sums.data());
        }
        if (write == Write::accumulate) {
          add_ranges(pixels_, channels_, sums.data(), dx + i * row);
        } else {
          sum_ranges(pixels_, channels_, ones_.data(), sums.data(), dx + i * row);
        }
      }
    });
  }

 private:
  std::vector<float>& mine(const OpContext& context) {
    const size_t first = static_cast<size_t>(context.team) * static_cast<size_t>(options_.threads);
    return sums_[first + static_cast<size_t>(team_thread())];
  }

  const float* scales_of(int64_t p) const { return scale_.data() + p * spec_.output[1]; }

  const OpOptions options_;
  const AvgPoolSpec spec_;
  const int64_t channels_;
  Side rows_{};
  std::vector<Range> windows_, pixels_;  // columns of each window, and windows of each column
  std::vector<float> scale_;             // (P, Q): one over the divisor
  std::vector<float> ones_;              // (W)
  // One per thread of each team: rows added up, (W, C) in forward, (Q, C) in backward.
  std::vector<std::vector<float>> sums_;
};

}  // namespace

std::unique_ptr<AvgPool> make_avgpool_cpu(Device&, const AvgPoolSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuAvgPool>(spec, options);
}

}  // namespace convoy
