// Stored pixels to fp32 on a GPU.
//
// Elements are taken four at a time where memory's borders allow, and a thread asks for four of these at once, so that
// enough is under way. The channels' values are written out until they fill whole groups, and repeat from there on.
#include <numeric>
#include <vector>

#include "core/device/cuda.hpp"
#include "core/ops/pixels.hpp"

namespace convoy {
namespace {

constexpr int at_once = 4;

/// Four elements, or one, of any type in one access.
template <typename T, int width>
struct alignas(sizeof(T) * width) Group {
  T value[width];
};

struct Conversion {
  int64_t elements;
  int channels, period;       // period: groups until the channels' values repeat
  const float *mean, *scale;  // by (group % period) and place in the group
  const void* pixels;
  float* y;
};

template <typename Stored, int width>
__device__ void convert(const Conversion& c, const Group<Stored, width>& pixels, int phase, int64_t group) {
  const auto mean = reinterpret_cast<const Group<float, width>*>(c.mean)[phase];
  const auto scale = reinterpret_cast<const Group<float, width>*>(c.scale)[phase];
  Group<float, width> out;
  for (int i = 0; i < width; ++i) {
    out.value[i] = (static_cast<float>(pixels.value[i]) - mean.value[i]) * scale.value[i];
  }
  reinterpret_cast<Group<float, width>*>(c.y)[group] = out;
}

template <typename Stored, int width>
__global__ void convert_kernel(Conversion c) {
  const auto* pixels = static_cast<const Group<Stored, width>*>(c.pixels);
  const int64_t groups = c.elements / width;
  const int64_t first = int64_t{blockIdx.x} * cuda::block_threads * at_once + threadIdx.x;
  const int step = static_cast<int>(cuda::block_threads % static_cast<unsigned>(c.period));
  int phase = static_cast<int>(first % c.period);
  Group<Stored, width> loaded[at_once];
  for (int i = 0; i < at_once; ++i) {
    const int64_t group = first + i * int64_t{cuda::block_threads};
    if (group < groups) loaded[i] = pixels[group];
  }
  for (int i = 0; i < at_once; ++i) {
    const int64_t group = first + i * int64_t{cuda::block_threads};
    if (group < groups) convert<Stored, width>(c, loaded[i], phase, group);
    phase = phase + step < c.period ? phase + step : phase + step - c.period;
  }
  // What fills no group.
  const int64_t rest = groups * width + threadIdx.x;
  if (blockIdx.x == 0 && rest < c.elements) {
    const int channel = static_cast<int>(rest % c.channels);
    const float pixel = static_cast<float>(static_cast<const Stored*>(c.pixels)[rest]);
    c.y[rest] = (pixel - c.mean[channel]) * c.scale[channel];
  }
}

bool on_border(const void* memory, size_t bytes) {
  return reinterpret_cast<uintptr_t>(memory) % bytes == 0;
}

class CudaPixels final : public Pixels {
 public:
  CudaPixels(Device& device, const PixelsSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)),
        dtype_(spec.dtype),
        channels_(static_cast<int>(spec.input[2])),
        elements_(spec.input.count() * options.batch) {
    // Of groups of four or of one: as long as either needs.
    std::vector<float> table;
    for (const std::vector<float>& values : {spec.mean, spec.scale}) {
      for (int i = 0; i < 4 / std::gcd(4, channels_); ++i) table.insert(table.end(), values.begin(), values.end());
    }
    table_ = DeviceBuffer(device, table.size() * sizeof(float), "means and scales of pixels");
    device.upload(table_.data(), table.data(), table.size() * sizeof(float));
  }

  void forward(const OpContext&, const void* pixels, float* y) override {
    if (dtype_ == DType::u8) {
      launch<uint8_t>(pixels, y);
    } else {
      launch<float>(pixels, y);
    }
  }

 private:
  template <typename Stored>
  void launch(const void* pixels, float* y) const {
    const bool fours = on_border(pixels, 4 * sizeof(Stored)) && on_border(y, 4 * sizeof(float));
    const int width = fours ? 4 : 1;
    const auto* mean = reinterpret_cast<const float*>(table_.data());
    const float* scale = mean + table_.bytes() / sizeof(float) / 2;
    const int64_t per_block = int64_t{width} * cuda::block_threads * at_once;
    const unsigned blocks = static_cast<unsigned>((elements_ + per_block - 1) / per_block);
    cuda::launch(stream_, blocks, cuda::block_threads, fours ? convert_kernel<Stored, 4> : convert_kernel<Stored, 1>,
                 Conversion{elements_, channels_, channels_ / std::gcd(width, channels_), mean, scale, pixels, y});
  }

  cudaStream_t stream_;
  DType dtype_;
  int channels_;
  int64_t elements_;
  DeviceBuffer table_;  // means, then scales, each over and over until groups of four are filled
};

}  // namespace

std::unique_ptr<Pixels> make_pixels_cuda(Device& device, const PixelsSpec& spec, const OpOptions& options) {
  return std::make_unique<CudaPixels>(device, spec, options);
}

}  // namespace convoy
