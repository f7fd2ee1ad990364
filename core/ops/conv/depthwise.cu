// Each output is a sum of R S products, so memory decides: threads take neighbouring channels, four at a time where
// there is one filter for each, and weights are kept as (R, S, K), as they are read.
#include "core/ops/conv/depthwise.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "core/base/error.hpp"
#include "core/device/cuda.hpp"
#include "core/ops/conv/geometry.hpp"
#include "core/ops/gemm/column_sums.hpp"
#include "core/ops/layout.hpp"

namespace convoy {
namespace {

using cuda::FastDivision;

constexpr int lanes = 32, lines = 8;
constexpr int taps_at_once = 9;  // whose sums a thread holds in registers

/// A depthwise convolution for kernels. Channels and filters count in elements of `vector` floats.
struct Depthwise {
  Depthwise(const ConvSpec& spec, int64_t vector)
      : geometry(spec),
        channels(spec.input[2] / vector),
        filters(spec.filters / vector),
        each(spec.filters / spec.input[2]),
        relu(spec.activation == Activation::relu) {}

  ConvGeometry geometry;
  FastDivision channels, filters, each;  // each: filters of a channel
  bool relu;
};

__device__ void add(float& sum, float a) {
  sum += a;
}
__device__ void add(float4& sum, const float4& a) {
  sum.x += a.x, sum.y += a.y, sum.z += a.z, sum.w += a.w;
}
__device__ void add_product(float& sum, float a, float b) {
  sum += a * b;
}
__device__ void add_product(float4& sum, const float4& a, const float4& b) {
  sum.x += a.x * b.x, sum.y += a.y * b.y, sum.z += a.z * b.z, sum.w += a.w * b.w;
}
__device__ float positive(float a) {
  return a < 0 ? 0.0f : a;  // NaN stays
}
__device__ float4 positive(const float4& a) {
  return make_float4(positive(a.x), positive(a.y), positive(a.z), positive(a.w));
}

/// One output for each of `count`; weights (R,S,K).
template <typename Element>
void forward(cudaStream_t stream, const Depthwise& d, int64_t count, const Element* x, const Element* weights,
             const Element* bias, Element* y) {
  cuda::for_each(stream, count, [=] __device__(int64_t i) {
    const ConvGeometry& g = d.geometry;
    auto image = static_cast<uint32_t>(i);
    const uint32_t filter = d.filters.split(image), channel = d.each.quotient(filter);
    const auto q = static_cast<int>(g.by_q.split(image)), p = static_cast<int>(g.by_p.split(image));
    Element sum{};
    for (int r = 0; r < g.r; ++r) {
      const int h = g.input_row(p, r);
      for (int s = 0; s < g.s; ++s) {
        const int w = g.input_column(q, s);
        if (!g.inside(h, w)) continue;
        add_product(sum, x[g.input_pixel(image, h, w) * d.channels.divisor() + channel],
                    weights[static_cast<uint32_t>(r * g.s + s) * d.filters.divisor() + filter]);
      }
    }
    if (bias) add(sum, bias[filter]);
    y[i] = d.relu ? positive(sum) : sum;
  });
}

/// One input's gradient for each of `count`.
template <typename Element>
void backward_data(cudaStream_t stream, const Depthwise& d, int64_t count, const Element* dy, const Element* weights,
                   Element* dx, bool adds) {
  cuda::for_each(stream, count, [=] __device__(int64_t i) {
    const ConvGeometry& g = d.geometry;
    auto image = static_cast<uint32_t>(i);
    const uint32_t channel = d.channels.split(image);
    const auto w = static_cast<int>(g.by_width.split(image)), h = static_cast<int>(g.by_height.split(image));
    Element sum{};
    for (int r = 0; r < g.r; ++r) {
      const int p = g.output_row(h, r);
      if (p < 0) continue;
      for (int s = 0; s < g.s; ++s) {
        const int q = g.output_column(w, s);
        if (q < 0) continue;
        const Element* const from = dy + g.output_pixel(image, p, q) * d.filters.divisor();
        const Element* const weight = weights + static_cast<uint32_t>(r * g.s + s) * d.filters.divisor();
        const uint32_t first = channel * d.each.divisor();
        for (uint32_t filter = first; filter < first + d.each.divisor(); ++filter) {
          add_product(sum, from[filter], weight[filter]);
        }
      }
    }
    if (adds) {
      Element total = dx[i];
      add(total, sum);
      sum = total;
    }
    dx[i] = sum;
  });
}

/// Sums over a slice of the pixels (N,P,Q) for 32 filters and up to taps_at_once taps of the kernel: a row (R S, K) of
/// `sums` for each slice. Blocks: x filters, y a slice, z taps.
__global__ void weights_kernel(Depthwise d, int64_t pixels, int64_t slice, const float* x, const float* dy,
                               float* sums) {
  __shared__ float shared[lines][taps_at_once][lanes];
  const ConvGeometry& g = d.geometry;
  const uint32_t filters = d.filters.divisor();
  const uint32_t filter = blockIdx.x * lanes + threadIdx.x;
  const int first_tap = static_cast<int>(blockIdx.z) * taps_at_once, taps = g.r * g.s;
  float mine[taps_at_once] = {};
  if (filter < filters) {
    const float* const channel = x + d.each.quotient(filter);
    int rows[taps_at_once], columns[taps_at_once];
#pragma unroll
    for (int t = 0; t < taps_at_once; ++t) {
      auto r = static_cast<uint32_t>(first_tap + t);
      columns[t] = static_cast<int>(g.by_s.split(r)) * g.dilation_w;
      rows[t] = static_cast<int>(r) * g.dilation_h;
    }
    const int64_t end = std::min((blockIdx.y + 1) * slice, pixels);
    for (int64_t pixel = blockIdx.y * slice + threadIdx.y; pixel < end; pixel += lines) {
      const float gradient = dy[pixel * filters + filter];
      auto image = static_cast<uint32_t>(pixel);
      const int w = g.input_column(static_cast<int>(g.by_q.split(image)), 0);
      const int h = g.input_row(static_cast<int>(g.by_p.split(image)), 0);
#pragma unroll
      for (int t = 0; t < taps_at_once; ++t) {
        if (first_tap + t >= taps || !g.inside(h + rows[t], w + columns[t])) continue;
        const int64_t at = g.input_pixel(image, h + rows[t], w + columns[t]);
        mine[t] += gradient * channel[at * d.channels.divisor()];
      }
    }
  }
#pragma unroll
  for (int t = 0; t < taps_at_once; ++t) shared[threadIdx.y][t][threadIdx.x] = mine[t];
  __syncthreads();
  // Eight warps share what is left to add.
  for (int t = static_cast<int>(threadIdx.y); t < taps_at_once && first_tap + t < taps; t += lines) {
    if (filter >= filters) continue;
    float sum = 0;
    for (int line = 0; line < lines; ++line) sum += shared[line][t][threadIdx.x];
    sums[(int64_t{blockIdx.y} * taps + first_tap + t) * filters + filter] = sum;
  }
}

/// (columns, rows) from (rows, columns).
void transpose(cudaStream_t stream, int64_t rows, int64_t columns, const float* from, float* to) {
  const FastDivision by_columns(columns);
  cuda::for_each(stream, rows * columns, [=] __device__(int64_t i) {
    auto row = static_cast<uint32_t>(i);
    const uint32_t column = by_columns.split(row);
    to[column * rows + row] = from[i];
  });
}

int64_t up(int64_t n, int64_t divisor) {
  return (n + divisor - 1) / divisor;
}

class DepthwiseConv final : public Conv {
 public:
  DepthwiseConv(Device& device, const ConvSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)),
        spec_(spec),
        batch_(options.batch),
        pixels_(batch_ * spec.output()[0] * spec.output()[1]),
        taps_(spec.kernel.h * spec.kernel.w),
        slices_(slices()),
        weight_sums_(device, slices_, taps_ * spec.filters),
        bias_sums_(device, pixels_, spec.filters) {
    constexpr int64_t most = std::numeric_limits<int32_t>::max();  // kernels count in 32 bits
    const int64_t image = std::max(spec.input.count(), spec.output().count());
    if (image > most || pixels_ > most) {
      fail(ExitCode::usage, "convolution of ", spec.input.text(), ": ", batch_,
           " images this large cannot be trained on a GPU; use a smaller batch, or --backend cpu");
    }
    per_turn_ = std::min(batch_, most / image);
    const auto bytes = [](int64_t floats) { return static_cast<size_t>(floats) * sizeof(float); };
    Layout layout;
    layout.add(bytes(slices_ * taps_ * spec.filters));
    sums_at_ = layout.add(bytes(taps_ * spec.filters));
    workspace_at_ = layout.add(std::max(weight_sums_.workspace_bytes(), bias_sums_.workspace_bytes()));
    scratch_bytes_ = layout.bytes();
  }

  size_t packed_bytes() const override { return static_cast<size_t>(spec_.weight().count()) * sizeof(float); }
  void attach(void* packed) override { packed_ = static_cast<float*>(packed); }
  size_t scratch_bytes() const override { return scratch_bytes_; }
  std::string algorithms() const override { return "depthwise kernels"; }

  void refresh_weights(const float* weight) override { transpose(stream_, spec_.filters, taps_, weight, packed_); }

  void forward(const OpContext&, const float* x, const float* bias, float* y) override {
    const int64_t in = spec_.input.count(), out = spec_.output().count();
    if (!spec_.bias) bias = nullptr;
    for (int64_t first = 0; first < batch_; first += per_turn_) {
      const int64_t count = std::min(per_turn_, batch_ - first) * out;
      if (by_fours(x, y, bias)) {
        convoy::forward(stream_, Depthwise(spec_, 4), count / 4, fours(x + first * in), fours(packed_), fours(bias),
                        fours(y + first * out));
      } else {
        convoy::forward(stream_, Depthwise(spec_, 1), count, x + first * in, static_cast<const float*>(packed_), bias,
                        y + first * out);
      }
    }
  }

  void backward_data(const OpContext&, const float* dy, float* dx, Write write) override {
    const int64_t in = spec_.input.count(), out = spec_.output().count();
    const bool adds = write == Write::accumulate;
    for (int64_t first = 0; first < batch_; first += per_turn_) {
      const int64_t count = std::min(per_turn_, batch_ - first) * in;
      if (by_fours(dx, dy, packed_)) {
        convoy::backward_data(stream_, Depthwise(spec_, 4), count / 4, fours(dy + first * out), fours(packed_),
                              fours(dx + first * in), adds);
      } else {
        convoy::backward_data(stream_, Depthwise(spec_, 1), count, dy + first * out, static_cast<const float*>(packed_),
                              dx + first * in, adds);
      }
    }
  }

  void backward_weights(const OpContext& context, const float* x, const float* dy, float* dweight,
                        float* dbias) override {
    auto* const scratch = static_cast<std::byte*>(context.scratch);
    auto* const partial = reinterpret_cast<float*>(scratch);
    auto* const sums = reinterpret_cast<float*>(scratch + sums_at_);
    const dim3 blocks(static_cast<unsigned>(up(spec_.filters, lanes)), static_cast<unsigned>(slices_),
                      static_cast<unsigned>(up(taps_, taps_at_once)));
    cuda::launch(stream_, blocks, dim3(lanes, lines), weights_kernel, Depthwise(spec_, 1), pixels_,
                 up(pixels_, slices_), x, dy, partial);
    weight_sums_.run(scratch + workspace_at_, partial, sums);
    transpose(stream_, taps_, spec_.filters, sums, dweight);
    if (dbias) bias_sums_.run(scratch + workspace_at_, dy, dbias);
  }

 private:
  /// Of the pixels: enough that there are blocks to fill any GPU.
  int64_t slices() const {
    constexpr int64_t least_pixels = 64, wanted_blocks = 132 * 8;
    const int64_t blocks = up(spec_.filters, lanes) * up(taps_, taps_at_once);
    return std::max(int64_t{1}, std::min({int64_t{256}, up(wanted_blocks, blocks), pixels_ / least_pixels}));
  }

  bool by_fours(const float* a, const float* b, const float* c) const {
    const auto aligned = [](const float* place) { return reinterpret_cast<uintptr_t>(place) % 16 == 0; };
    return spec_.filters == spec_.input[2] && spec_.filters % 4 == 0 && aligned(a) && aligned(b) && aligned(c);
  }
  static const float4* fours(const float* place) { return reinterpret_cast<const float4*>(place); }
  static float4* fours(float* place) { return reinterpret_cast<float4*>(place); }

  const cudaStream_t stream_;
  const ConvSpec spec_;
  const int64_t batch_, pixels_, taps_, slices_;
  const gemm::ColumnSums weight_sums_, bias_sums_;
  int64_t per_turn_ = 1;
  size_t sums_at_ = 0, workspace_at_ = 0, scratch_bytes_ = 0;
  float* packed_ = nullptr;  // the weights as (R, S, K)
};

}  // namespace

bool is_depthwise(const ConvSpec& spec) {
  return spec.groups == spec.input[2] && spec.groups > 1;
}

std::unique_ptr<Conv> make_conv_depthwise(Device& device, const ConvSpec& spec, const OpOptions& options) {
  return std::make_unique<DepthwiseConv>(device, spec, options);
}

}  // namespace convoy
