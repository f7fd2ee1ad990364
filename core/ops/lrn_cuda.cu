// Local response normalisation on a GPU. Nothing is saved for backward: s is cheaper to compute again than to write and
// read.
//
// Across channels a block takes some pixels whole, and keeps in shared memory what the neighbours of an element need of
// it. Within a channel, and across more channels than a block can take, an element's window is read anew from memory,
// which its neighbours have just read; backward then takes two kernels, and scratch for what goes from one to the
// other.
#include "core/ops/lrn.hpp"
#include "core/ops/packs_cuda.hpp"

namespace convoy {
namespace {

struct Formula {
  float k, alpha, beta;  // s = k + alpha * sum; alpha is divided by the elements of a window
  float factor;          // of the gradient's second term
  int32_t lead, tail;    // elements of a window, along one side, before and after its own
};

/// s^-beta, and that over s.
struct Factors {
  float power, over_s;
};

__device__ inline Factors factors_of(const Formula& f, float s) {
  if (f.beta == 0.75f) {
    const float root = rsqrtf(s), power = root * sqrtf(root);
    return {power, power * (root * root)};
  }
  const float power = powf(s, -f.beta);
  return {power, power / s};
}

constexpr int elements_of_thread = 8;
constexpr int block_elements = elements_of_thread * static_cast<int>(cuda::block_threads);

/// The sum of values over the channels [channel - before, channel + after] of a pixel; values[at] is the channel's own.
/// `window` is before + after + 1 where that is known at compile time, or 0.
template <int window>
__device__ float sum_around(const float* values, int32_t at, int32_t channel, int32_t channels, int32_t before,
                            int32_t after) {
  float sum = 0;
  if constexpr (window > 0) {
    for (int i = 0; i < window; ++i) {
      const int32_t d = i - before, c = channel + d;
      if (c >= 0 && c < channels) sum += values[at + d];
    }
  } else {
    const int32_t begin = channel < before ? -channel : -before;
    const int32_t end = channels - channel <= after ? channels - channel : after + 1;
    for (int32_t d = begin; d < end; ++d) sum += values[at + d];
  }
  return sum;
}

/// y, or with `backward` dx, in `out`. A block takes block_pixels pixels, at most block_elements elements.
template <int window, bool backward>
__global__ void across_kernel(Formula f, cuda::FastDivision channels, int32_t block_pixels, int64_t pixels,
                              const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ out,
                              bool adds) {
  __shared__ float squares[block_elements];
  __shared__ float slopes[backward ? block_elements : 1];  // dy y / s
  const auto width = static_cast<int32_t>(channels.divisor());
  const int64_t first = int64_t{blockIdx.x} * block_pixels, left = pixels - first;
  const int32_t n = static_cast<int32_t>(left < block_pixels ? left : block_pixels) * width;
  x += first * width;
  dy += backward ? first * width : 0;
  out += first * width;
  const auto element = [](int j) { return static_cast<int32_t>(j * cuda::block_threads + threadIdx.x); };

  float mine[elements_of_thread], sent[elements_of_thread];  // x and dy; then x and what dx has of dy directly
  for (int j = 0; j < elements_of_thread; ++j) {
    mine[j] = element(j) < n ? x[element(j)] : 0.0f;
    if constexpr (backward) sent[j] = element(j) < n ? dy[element(j)] : 0.0f;
  }
  int32_t channel[elements_of_thread];
  for (int j = 0; j < elements_of_thread; ++j) {
    squares[element(j)] = mine[j] * mine[j];
    channel[j] = element(j) - static_cast<int32_t>(channels.quotient(static_cast<uint32_t>(element(j)))) * width;
  }
  __syncthreads();
  for (int j = 0; j < elements_of_thread; ++j) {
    const int32_t i = element(j);
    if (i >= n) break;
    const float sum = sum_around<window>(squares, i, channel[j], width, f.lead, f.tail);
    const Factors factors = factors_of(f, f.k + f.alpha * sum);
    if constexpr (backward) {
      slopes[i] = sent[j] * mine[j] * factors.over_s;
      sent[j] *= factors.power;
    } else {
      out[i] = mine[j] * factors.power;
    }
  }
  if constexpr (backward) {
    __syncthreads();
    for (int j = 0; j < elements_of_thread; ++j) {
      const int32_t i = element(j);
      if (i >= n) break;
      // The windows that hold an element lie around it the other way round.
      const float sum = sum_around<window>(slopes, i, channel[j], width, f.tail, f.lead);
      cuda::store(out[i], sent[j] - f.factor * mine[j] * sum, adds);
    }
  }
}

struct Image {
  int32_t rows, columns, channels;
};

/// The sum of values, or of their squares, around a pack of channels; values[at] is the pack's own. `before` and
/// `after` reach along the channels, or with `within` along both sides of the image.
template <int width, bool within, bool squared>
__device__ cuda::Pack<float, width> sum_in_image(const float* __restrict__ values, int64_t at, const cuda::Place& place,
                                                 const Image& image, int32_t before, int32_t after) {
  cuda::Pack<float, width> sum{};
  const auto meet = [&](int64_t other) {
    const cuda::Pack<float, width> v = cuda::load<width>(values + other);
    for (int k = 0; k < width; ++k) sum.of[k] += squared ? v.of[k] * v.of[k] : v.of[k];
  };
  if constexpr (within) {
    const int32_t up = place.row < before ? place.row : before, left = place.column < before ? place.column : before;
    const int32_t below = image.rows - 1 - place.row, beside = image.columns - 1 - place.column;
    const int32_t down = below < after ? below : after, right = beside < after ? beside : after;
    for (int32_t r = -up; r <= down; ++r) {
      for (int32_t s = -left; s <= right; ++s) meet(at + (r * image.columns + s) * image.channels);
    }
  } else {
    const int32_t left = place.channel < before ? place.channel : before;
    const int32_t beside = image.channels - 1 - place.channel, right = beside < after ? beside : after;
    for (int32_t d = -left; d <= right; ++d) meet(at + d);
  }
  return sum;
}

template <int width, bool within>
__global__ void forward_kernel(Formula f, Image image, cuda::Places places, uint32_t packs, const float* __restrict__ x,
                               float* __restrict__ y) {
  for (uint32_t i = cuda::first_index(); i < packs; i += cuda::index_stride()) {
    const int64_t at = int64_t{i} * width;
    const auto sum = sum_in_image<width, within, true>(x, at, places.of(i), image, f.lead, f.tail);
    cuda::Pack<float, width> v = cuda::load<width>(x + at);
    for (int k = 0; k < width; ++k) v.of[k] *= factors_of(f, f.k + f.alpha * sum.of[k]).power;
    cuda::store(y + at, v);
  }
}

/// dx = dy s^-beta, or += it; slopes = dy y / s.
template <int width, bool within>
__global__ void slopes_kernel(Formula f, Image image, cuda::Places places, uint32_t packs, const float* __restrict__ x,
                              const float* __restrict__ dy, float* __restrict__ slopes, float* __restrict__ dx,
                              bool adds) {
  for (uint32_t i = cuda::first_index(); i < packs; i += cuda::index_stride()) {
    const int64_t at = int64_t{i} * width;
    const auto sum = sum_in_image<width, within, true>(x, at, places.of(i), image, f.lead, f.tail);
    const cuda::Pack<float, width> v = cuda::load<width>(x + at);
    cuda::Pack<float, width> direct = cuda::load<width>(dy + at), slope;
    for (int k = 0; k < width; ++k) {
      const Factors factors = factors_of(f, f.k + f.alpha * sum.of[k]);
      slope.of[k] = direct.of[k] * v.of[k] * factors.over_s;
      direct.of[k] *= factors.power;
    }
    cuda::store(slopes + at, slope);
    cuda::store(dx + at, direct, adds);
  }
}

/// dx -= factor x times the sum of slopes.
template <int width, bool within>
__global__ void combine_kernel(Formula f, Image image, cuda::Places places, uint32_t packs, const float* __restrict__ x,
                               const float* __restrict__ slopes, float* __restrict__ dx) {
  for (uint32_t i = cuda::first_index(); i < packs; i += cuda::index_stride()) {
    const int64_t at = int64_t{i} * width;
    // The windows that hold an element lie around it the other way round.
    auto sum = sum_in_image<width, within, false>(slopes, at, places.of(i), image, f.tail, f.lead);
    const cuda::Pack<float, width> v = cuda::load<width>(x + at);
    for (int k = 0; k < width; ++k) sum.of[k] *= -f.factor * v.of[k];
    cuda::store(dx + at, sum, true);
  }
}

class CudaLrn final : public Lrn {
 public:
  CudaLrn(const Device& device, const LrnSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)),
        spec_(spec),
        batch_(options.batch),
        within_(spec.region == LrnSpec::Region::within),
        in_blocks_(!within_ && spec.input[2] <= block_elements),
        image_{static_cast<int32_t>(spec.input[0]), static_cast<int32_t>(spec.input[1]),
               static_cast<int32_t>(spec.input[2])} {
    formula_.k = spec.k;
    formula_.alpha = spec.alpha / static_cast<float>(within_ ? spec.n * spec.n : spec.n);
    formula_.beta = spec.beta;
    formula_.factor = 2 * formula_.alpha * spec.beta;
    // A window wider than any image holds no more.
    const int64_t before = (spec.n - 1) / 2, after = spec.n - 1 - before;
    const int64_t widest = std::max({spec.input[0], spec.input[1], spec.input[2]});
    formula_.lead = static_cast<int32_t>(std::min(before, widest));
    formula_.tail = static_cast<int32_t>(std::min(after, widest));
  }

  size_t scratch_bytes() const override {
    return in_blocks_ ? 0 : static_cast<size_t>(batch_ * spec_.input.count()) * sizeof(float);
  }

  void forward(const OpContext&, const float* x, float* y) override {
    if (in_blocks_) {
      launch_blocks<false>(x, nullptr, y, false);
      return;
    }
    const bool packed = packs(x, y);
    const auto kernel = packed ? forward_kernel<4, true> : within_ ? forward_kernel<1, true> : forward_kernel<1, false>;
    over_parts(packed, [&](int64_t at, const cuda::Places& places, uint32_t n) {
      launch(n, kernel, formula_, image_, places, n, x + at, y + at);
    });
  }

  void backward(const OpContext& context, const float* x, const float* dy, float* dx, Write write) override {
    const bool adds = write == Write::accumulate;
    if (in_blocks_) {
      launch_blocks<true>(x, dy, dx, adds);
      return;
    }
    auto* slopes = static_cast<float*>(context.scratch);
    const bool packed = packs(x, dy, dx);
    const auto first = packed ? slopes_kernel<4, true> : within_ ? slopes_kernel<1, true> : slopes_kernel<1, false>;
    const auto second = packed ? combine_kernel<4, true> : within_ ? combine_kernel<1, true> : combine_kernel<1, false>;
    over_parts(packed, [&](int64_t at, const cuda::Places& places, uint32_t n) {
      launch(n, first, formula_, image_, places, n, x + at, dy + at, slopes + at, dx + at, adds);
      launch(n, second, formula_, image_, places, n, x + at, slopes + at, dx + at);
    });
  }

 private:
  template <bool backward>
  void launch_blocks(const float* x, const float* dy, float* out, bool adds) const {
    const int64_t pixels = batch_ * spec_.input[0] * spec_.input[1], block_pixels = block_elements / spec_.input[2];
    const auto kernel = spec_.n == 5   ? across_kernel<5, backward>
                        : spec_.n == 3 ? across_kernel<3, backward>
                                       : across_kernel<0, backward>;
    cuda::launch(stream_, static_cast<unsigned>((pixels + block_pixels - 1) / block_pixels), cuda::block_threads,
                 kernel, formula_, cuda::FastDivision(spec_.input[2]), static_cast<int32_t>(block_pixels), pixels, x,
                 dy, out, adds);
  }

  /// Along the channels, windows of neighbours overlap: no packs there.
  template <typename... Pointers>
  bool packs(const Pointers*... pointers) const {
    return within_ && spec_.input[2] % 4 == 0 && cuda::packs_fit(pointers...);
  }

  /// f(first element, places, packs) for parts of the batch.
  template <typename Function>
  void over_parts(bool packed, const Function& f) const {
    const int width = packed ? 4 : 1;
    const int64_t count = spec_.input.count() / width;
    cuda::for_parts(batch_, count, [&](int64_t first, int64_t images) {
      f(first * spec_.input.count(), cuda::Places(spec_.input[0], spec_.input[1], spec_.input[2], width),
        static_cast<uint32_t>(images * count));
    });
  }

  template <typename Kernel, typename... Arguments>
  void launch(uint32_t packs, Kernel kernel, const Arguments&... arguments) const {
    cuda::launch(stream_, cuda::blocks_for(packs), cuda::block_threads, kernel, arguments...);
  }

  cudaStream_t stream_;
  LrnSpec spec_;
  int64_t batch_;
  bool within_;
  bool in_blocks_;  // across channels few enough for blocks to take whole pixels
  Image image_;
  Formula formula_{};
};

}  // namespace

std::unique_ptr<Lrn> make_lrn_cuda(Device& device, const LrnSpec& spec, const OpOptions& options) {
  return std::make_unique<CudaLrn>(device, spec, options);
}

}  // namespace convoy
