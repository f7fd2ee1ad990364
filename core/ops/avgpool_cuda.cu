// Average pooling on a GPU. Forward: a thread adds up one window, for a pack of channels; windows of many pixels are
// shared out among the threads of a block. Backward: a thread adds up what the windows that hold its pixel pass to it.
#include "core/ops/avgpool.hpp"
#include "core/ops/windows_cuda.hpp"

namespace convoy {
namespace {

struct Geometry {
  explicit Geometry(const AvgPoolSpec& s)
      : rows(s.input[0], s.output[0], s.kernel.h, s.stride.h, 1, s.padding.top, s.padding.bottom),
        columns(s.input[1], s.output[1], s.kernel.w, s.stride.w, 1, s.padding.left, s.padding.right),
        input(s.input.count()),
        output(s.output.count()),
        width(static_cast<int32_t>(s.input[1])),
        output_width(static_cast<int32_t>(s.output[1])),
        channels(static_cast<int32_t>(s.input[2])),
        inside_only(s.divisor == PoolDivisor::inside) {}

  /// One over what the window's sum is divided by.
  __device__ float share(int32_t p, int32_t q) const {
    return 1.0f /
           (static_cast<float>(rows.counted(p, inside_only)) * static_cast<float>(columns.counted(q, inside_only)));
  }

  cuda::WindowSide rows, columns;
  int64_t input, output;  // elements of an image
  int32_t width, output_width, channels;
  bool inside_only;
};

template <int width>
__device__ void add(cuda::Pack<float, width>& sum, const cuda::Pack<float, width>& x) {
  for (int k = 0; k < width; ++k) sum.of[k] += x.of[k];
}

template <int width>
__device__ void scale(cuda::Pack<float, width>& x, float factor) {
  for (int k = 0; k < width; ++k) x.of[k] *= factor;
}

template <int width>
__global__ void forward_kernel(Geometry g, cuda::Places windows, uint32_t packs, const float* __restrict__ x,
                               float* __restrict__ y) {
  for (uint32_t i = cuda::first_index(); i < packs; i += cuda::index_stride()) {
    const cuda::Place at = windows.of(i);
    const cuda::WindowPart rows = g.rows.part(at.row), columns = g.columns.part(at.column);
    const float* image = x + at.image * g.input + at.channel;
    cuda::Pack<float, width> sum{};
    for (int32_t r = rows.begin; r < rows.end; ++r) {
      const float* line = image + ((rows.origin + r) * g.width + columns.origin) * g.channels;
      for (int32_t s = columns.begin; s < columns.end; ++s) add(sum, cuda::load<width>(line + s * g.channels));
    }
    scale(sum, g.share(at.row, at.column));
    cuda::store(y + int64_t{i} * width, sum);
  }
}

/// A block adds up one window for `lanes` packs, a power of 2: `groups` blocks share a window's channels. Thread t adds
/// up every so many-th pixel for pack t % lanes; then the threads of a pack put their sums together.
template <int width>
__global__ void forward_shared_kernel(Geometry g, cuda::Places windows, uint32_t jobs, int32_t lanes,
                                      const float* __restrict__ x, float* __restrict__ y) {
  __shared__ cuda::Pack<float, width> sums[cuda::block_threads];
  const int32_t thread = static_cast<int32_t>(threadIdx.x), lane = thread & (lanes - 1), part = thread / lanes;
  const int32_t parts = static_cast<int32_t>(cuda::block_threads) / lanes;
  for (uint32_t job = blockIdx.x; job < jobs; job += gridDim.x) {
    const cuda::Place at = windows.of(job);
    const int32_t channel = at.channel * lanes + lane * width;
    const cuda::WindowPart rows = g.rows.part(at.row), columns = g.columns.part(at.column);
    const int32_t along = columns.end - columns.begin, pixels = (rows.end - rows.begin) * along;
    const float* first = x + at.image * g.input + channel +
                         ((rows.origin + rows.begin) * g.width + columns.origin + columns.begin) * g.channels;
    cuda::Pack<float, width> sum{};
    for (int32_t i = part; i < pixels && channel < g.channels; i += parts) {
      const int32_t row = i / along;
      add(sum, cuda::load<width>(first + (row * (g.width - along) + i) * g.channels));
    }
    sums[thread] = sum;
    for (int32_t half = parts / 2; half > 0; half /= 2) {
      __syncthreads();
      if (part < half) add(sums[thread], sums[thread + half * lanes]);
    }
    if (part == 0 && channel < g.channels) {
      sum = sums[thread];
      scale(sum, g.share(at.row, at.column));
      const int64_t window = at.row * g.output_width + at.column;
      cuda::store(y + at.image * g.output + window * g.channels + channel, sum);
    }
    __syncthreads();
  }
}

template <int width>
__global__ void backward_kernel(Geometry g, cuda::Places pixels, uint32_t packs, const float* __restrict__ dy,
                                float* __restrict__ dx, bool adds) {
  for (uint32_t i = cuda::first_index(); i < packs; i += cuda::index_stride()) {
    const cuda::Place at = pixels.of(i);
    const float* image = dy + at.image * g.output + at.channel;
    cuda::Pack<float, width> sum{};
    g.rows.holders(at.row, [&](int32_t p, int32_t) {
      g.columns.holders(at.column, [&](int32_t q, int32_t) {
        cuda::Pack<float, width> passed = cuda::load<width>(image + (p * g.output_width + q) * g.channels);
        scale(passed, g.share(p, q));
        add(sum, passed);
      });
    });
    cuda::store(dx + int64_t{i} * width, sum, adds);
  }
}

class CudaAvgPool final : public AvgPool {
 public:
  CudaAvgPool(const Device& device, const AvgPoolSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)), spec_(spec), geometry_(spec), batch_(options.batch) {}

  void forward(const OpContext&, const float* x, float* y) override {
    const int width = spec_.input[2] % 4 == 0 && cuda::packs_fit(x, y) ? 4 : 1;
    const int64_t pixels = std::min(spec_.kernel.h, spec_.input[0]) * std::min(spec_.kernel.w, spec_.input[1]);
    if (pixels >= shared_from) {
      forward_shared(width, x, y);
      return;
    }
    const int64_t packs = spec_.output.count() / width;
    cuda::for_parts(batch_, packs, [&](int64_t first, int64_t images) {
      const auto n = static_cast<uint32_t>(images * packs);
      cuda::launch(stream_, cuda::blocks_for(n), cuda::block_threads,
                   width == 4 ? forward_kernel<4> : forward_kernel<1>, geometry_,
                   cuda::Places(spec_.output[0], spec_.output[1], spec_.output[2], width), n,
                   x + first * spec_.input.count(), y + first * spec_.output.count());
    });
  }

  void backward(const OpContext&, const float* dy, float* dx, Write write) override {
    const int width = spec_.input[2] % 4 == 0 && cuda::packs_fit(dy, dx) ? 4 : 1;
    const int64_t packs = spec_.input.count() / width;
    cuda::for_parts(batch_, packs, [&](int64_t first, int64_t images) {
      const auto n = static_cast<uint32_t>(images * packs);
      cuda::launch(stream_, cuda::blocks_for(n), cuda::block_threads,
                   width == 4 ? backward_kernel<4> : backward_kernel<1>, geometry_,
                   cuda::Places(spec_.input[0], spec_.input[1], spec_.input[2], width), n,
                   dy + first * spec_.output.count(), dx + first * spec_.input.count(), write == Write::accumulate);
    });
  }

 private:
  /// Pixels of a window from which on it is shared out among threads.
  static constexpr int64_t shared_from = 32;

  void forward_shared(int width, const float* x, float* y) const {
    const int64_t packs = spec_.input[2] / width;
    int32_t lanes = 1;
    while (lanes < 32 && lanes < packs) lanes *= 2;
    const int64_t groups = (packs + lanes - 1) / lanes, jobs_of_image = spec_.output[0] * spec_.output[1] * groups;
    cuda::for_parts(batch_, jobs_of_image, [&](int64_t first, int64_t images) {
      const auto jobs = static_cast<uint32_t>(images * jobs_of_image);
      const unsigned blocks = cuda::blocks_for(int64_t{jobs} * cuda::block_threads);
      cuda::launch(stream_, blocks, cuda::block_threads,
                   width == 4 ? forward_shared_kernel<4> : forward_shared_kernel<1>, geometry_,
                   cuda::Places(spec_.output[0], spec_.output[1], groups * width, width), jobs, lanes,
                   x + first * spec_.input.count(), y + first * spec_.output.count());
    });
  }

  cudaStream_t stream_;
  AvgPoolSpec spec_;
  Geometry geometry_;
  int64_t batch_;
};

}  // namespace

std::unique_ptr<AvgPool> make_avgpool_cuda(Device& device, const AvgPoolSpec& spec, const OpOptions& options) {
  return std::make_unique<CudaAvgPool>(device, spec, options);
}

}  // namespace convoy
