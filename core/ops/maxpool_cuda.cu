// Max pooling on a GPU. Forward: a thread takes the largest of one window, for a pack of channels. Backward: a thread
// asks the windows that hold its pixels whether it was their largest, so that every element is written once and sums
// have a fixed order.
#include "core/ops/maxpool.hpp"
#include "core/ops/windows_cuda.hpp"

namespace convoy {
namespace {

/// An argmax that no pixel has.
constexpr uint8_t nowhere = 255;

struct Geometry {
  explicit Geometry(const MaxPoolSpec& s)
      : rows(s.input[0], s.output[0], s.kernel.h, s.stride.h, s.dilation.h, s.padding.top, s.padding.bottom),
        columns(s.input[1], s.output[1], s.kernel.w, s.stride.w, s.dilation.w, s.padding.left, s.padding.right),
        input(s.input.count()),
        output(s.output.count()),
        width(static_cast<int32_t>(s.input[1])),
        output_width(static_cast<int32_t>(s.output[1])),
        channels(static_cast<int32_t>(s.input[2])),
        kernel_width(static_cast<int32_t>(s.kernel.w)),
        masks_relu(s.masks_relu) {}

  cuda::WindowSide rows, columns;
  int64_t input, output;  // elements of an image
  int32_t width, output_width, channels, kernel_width;
  bool masks_relu;
};

/// A window's largest so far, of each channel of a pack.
template <int width>
struct Largest {
  cuda::Pack<float, width> value;
  int32_t element[width];

  __device__ Largest(float least, int32_t first) {
    for (int k = 0; k < width; ++k) value.of[k] = least, element[k] = first;
  }
  /// Elements come in row-major order, so that of equal ones the first stays. NaN wins.
  __device__ void meet(const cuda::Pack<float, width>& x, int32_t which) {
    for (int k = 0; k < width; ++k) {
      const bool wins = x.of[k] > value.of[k] || x.of[k] != x.of[k];
      value.of[k] = wins ? x.of[k] : value.of[k];
      element[k] = wins ? which : element[k];
    }
  }
  __device__ cuda::Pack<uint8_t, width> places(bool masks_relu) const {
    cuda::Pack<uint8_t, width> out;
    for (int k = 0; k < width; ++k) {
      out.of[k] = masks_relu && !(value.of[k] > 0) ? nowhere : static_cast<uint8_t>(element[k]);
    }
    return out;
  }
};

/// The largest of the window whose channels begin at `image`.
template <int width>
__device__ Largest<width> largest_of(const Geometry& g, const cuda::WindowPart& rows, const cuda::WindowPart& columns,
                                     const float* __restrict__ image) {
  Largest<width> largest(-INFINITY, rows.begin * g.kernel_width + columns.begin);
  for (int32_t r = rows.begin; r < rows.end; ++r) {
    const float* line = image + (rows.origin + r * g.rows.dilation()) * g.width * g.channels;
    for (int32_t s = columns.begin; s < columns.end; ++s) {
      const float* pixel = line + (columns.origin + s * g.columns.dilation()) * g.channels;
      largest.meet(cuda::load<width>(pixel), r * g.kernel_width + s);
    }
  }
  return largest;
}

/// The same of a window of extent x extent neighbours: all are asked for before the first is looked at. For one outside
/// the image its nearest inside stands in, once more.
template <int width, int extent>
__device__ Largest<width> largest_of_square(const Geometry& g, const cuda::WindowPart& rows,
                                            const cuda::WindowPart& columns, const float* __restrict__ image) {
  cuda::Pack<float, width> x[extent][extent];
  for (int r = 0; r < extent; ++r) {
    const float* line = image + (rows.origin + rows.nearest(r)) * g.width * g.channels;
    for (int s = 0; s < extent; ++s) {
      x[r][s] = cuda::load<width>(line + (columns.origin + columns.nearest(s)) * g.channels);
    }
  }
  Largest<width> largest(-INFINITY, rows.begin * extent + columns.begin);
  for (int r = 0; r < extent; ++r) {
    for (int s = 0; s < extent; ++s) largest.meet(x[r][s], rows.nearest(r) * extent + columns.nearest(s));
  }
  return largest;
}

/// `extent`: of square windows without dilation, or 0 for any.
template <int width, int extent>
__global__ void forward_kernel(Geometry g, cuda::Places windows, uint32_t packs, const float* __restrict__ x,
                               float* __restrict__ y, uint8_t* __restrict__ argmax) {
  for (uint32_t i = cuda::first_index(); i < packs; i += cuda::index_stride()) {
    const cuda::Place at = windows.of(i);
    const cuda::WindowPart rows = g.rows.part(at.row), columns = g.columns.part(at.column);
    const float* image = x + at.image * g.input + at.channel;
    const auto largest = [&] {
      if constexpr (extent > 0) {
        return largest_of_square<width, extent>(g, rows, columns, image);
      } else {
        return largest_of<width>(g, rows, columns, image);
      }
    }();
    const int64_t here = int64_t{i} * width;
    cuda::store(y + here, largest.value);
    if (argmax) cuda::store(argmax + here, largest.places(g.masks_relu));
  }
}

using ForwardKernel = void (*)(Geometry, cuda::Places, uint32_t, const float*, float*, uint8_t*);

ForwardKernel forward_kernel_for(const MaxPoolSpec& spec, bool packed) {
  const bool dense = spec.dilation == Extent2{1, 1};
  if (dense && spec.kernel == Extent2{2, 2}) return packed ? forward_kernel<4, 2> : forward_kernel<1, 2>;
  if (dense && spec.kernel == Extent2{3, 3}) return packed ? forward_kernel<4, 3> : forward_kernel<1, 3>;
  return packed ? forward_kernel<4, 0> : forward_kernel<1, 0>;
}

template <int width>
__global__ void backward_kernel(Geometry g, cuda::Places pixels, uint32_t packs, const float* __restrict__ dy,
                                const uint8_t* __restrict__ argmax, float* __restrict__ dx, bool adds) {
  for (uint32_t i = cuda::first_index(); i < packs; i += cuda::index_stride()) {
    const cuda::Place at = pixels.of(i);
    const int64_t image = at.image * g.output + at.channel;
    cuda::Pack<float, width> sum{};
    g.rows.holders(at.row, [&](int32_t p, int32_t r) {
      g.columns.holders(at.column, [&](int32_t q, int32_t s) {
        const int64_t window = image + (p * g.output_width + q) * g.channels;
        const cuda::Pack<uint8_t, width> chosen = cuda::load<width>(argmax + window);
        const cuda::Pack<float, width> passed = cuda::load<width>(dy + window);
        for (int k = 0; k < width; ++k) {
          if (chosen.of[k] == r * g.kernel_width + s) sum.of[k] += passed.of[k];
        }
      });
    });
    cuda::store(dx + int64_t{i} * width, sum, adds);
  }
}

class CudaMaxPool final : public MaxPool {
 public:
  CudaMaxPool(const Device& device, const MaxPoolSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)), spec_(spec), geometry_(spec), batch_(options.batch) {}

  size_t argmax_bytes() const override { return static_cast<size_t>(batch_ * spec_.output.count()); }

  void forward(const OpContext&, const float* x, float* y, void* argmax) override {
    auto* places = static_cast<uint8_t*>(argmax);
    const int width = spec_.input[2] % 4 == 0 && cuda::packs_fit(x, y, places) ? 4 : 1;
    over_parts(width, spec_.output, [&](int64_t first, const cuda::Places& windows, uint32_t packs) {
      const int64_t at = first * spec_.output.count();
      cuda::launch(stream_, cuda::blocks_for(packs), cuda::block_threads, forward_kernel_for(spec_, width == 4),
                   geometry_, windows, packs, x + first * spec_.input.count(), y + at, places ? places + at : nullptr);
    });
  }

  void backward(const OpContext&, const float* dy, const void* argmax, float* dx, Write write) override {
    const auto* places = static_cast<const uint8_t*>(argmax);
    const int width = spec_.input[2] % 4 == 0 && cuda::packs_fit(dy, dx, places) ? 4 : 1;
    over_parts(width, spec_.input, [&](int64_t first, const cuda::Places& pixels, uint32_t packs) {
      const int64_t at = first * spec_.output.count();
      cuda::launch(stream_, cuda::blocks_for(packs), cuda::block_threads,
                   width == 4 ? backward_kernel<4> : backward_kernel<1>, geometry_, pixels, packs, dy + at, places + at,
                   dx + first * spec_.input.count(), write == Write::accumulate);
    });
  }

 private:
  /// f(first image, places, packs) for parts of the batch, over images of this shape.
  template <typename Function>
  void over_parts(int width, const Shape& shape, const Function& f) const {
    const int64_t packs = shape.count() / width;
    cuda::for_parts(batch_, packs, [&](int64_t first, int64_t images) {
      f(first, cuda::Places(shape[0], shape[1], shape[2], width), static_cast<uint32_t>(images * packs));
    });
  }

  cudaStream_t stream_;
  MaxPoolSpec spec_;
  Geometry geometry_;
  int64_t batch_;
};

}  // namespace

std::unique_ptr<MaxPool> make_maxpool_cuda(Device& device, const MaxPoolSpec& spec, const OpOptions& options) {
  return std::make_unique<CudaMaxPool>(device, spec, options);
}

}  // namespace convoy
