// Dropout on a GPU: a thread draws one block of random words and treats the four elements that it decides about.
#include "core/device/cuda.hpp"
#include "core/ops/dropout.hpp"

namespace convoy {
namespace {

struct Dropped {
  DropoutKey key;
  uint32_t threshold;  // words below it drop their element
  float scale;
  int64_t images, count;
  const float* x;
  float* y;
  bool adds;

  __device__ void put(float x_value, uint32_t word, float& into) const {
    cuda::store(into, word >= threshold ? x_value * scale : 0.0f, adds);
  }
};

/// Blocks of words along x, images along y. Whole: count is a multiple of four, so that four elements lie on a border
/// of 16 bytes.
template <bool whole>
__global__ void drop_kernel(Dropped drop) {
  const int64_t element = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * 4;
  if (element >= drop.count) return;
  const int64_t stride = int64_t{gridDim.y} * blockDim.y;
  for (int64_t image = int64_t{blockIdx.y} * blockDim.y + threadIdx.y; image < drop.images; image += stride) {
    const PhiloxBlock random = random_of(drop.key, image).block(static_cast<uint64_t>(element) / 4);
    const int64_t at = image * drop.count + element;
    if constexpr (whole) {
      const float4 x = *reinterpret_cast<const float4*>(drop.x + at);
      float4& y = *reinterpret_cast<float4*>(drop.y + at);
      float4 out = drop.adds ? y : x;
      drop.put(x.x, random.word[0], out.x);
      drop.put(x.y, random.word[1], out.y);
      drop.put(x.z, random.word[2], out.z);
      drop.put(x.w, random.word[3], out.w);
      y = out;
    } else {
      const int64_t left = drop.count - element;
      for (int i = 0; i < 4; ++i) {
        if (i < left) drop.put(drop.x[at + i], random.word[i], drop.y[at + i]);
      }
    }
  }
}

class CudaDropout final : public Dropout {
 public:
  CudaDropout(const Device& device, const DropoutSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)),
        threshold_(dropout_threshold(spec)),
        scale_(1.0f / (1.0f - spec.p)),
        images_(options.batch),
        count_(spec.count) {}

  void forward(const OpContext&, const DropoutKey& key, const float* x, float* y) override {
    apply(key, x, y, Write::overwrite);
  }

  void backward(const OpContext&, const DropoutKey& key, const float* dy, float* dx, Write write) override {
    apply(key, dy, dx, write);
  }

 private:
  void apply(const DropoutKey& key, const float* x, float* y, Write write) const {
    constexpr int64_t most_rows = 65535;
    const int64_t blocks = (count_ + 3) / 4;
    unsigned wide = cuda::block_threads;
    while (wide > 32 && wide / 2 >= blocks) wide /= 2;
    const unsigned high = cuda::block_threads / wide;
    const dim3 grid(static_cast<unsigned>((blocks + wide - 1) / wide),
                    static_cast<unsigned>(std::min((images_ + high - 1) / high, most_rows)));
    cuda::launch(stream_, grid, dim3(wide, high), count_ % 4 == 0 ? drop_kernel<true> : drop_kernel<false>,
                 Dropped{key, threshold_, scale_, images_, count_, x, y, write == Write::accumulate});
  }

  cudaStream_t stream_;
  uint32_t threshold_;
  float scale_;
  int64_t images_, count_;
};

}  // namespace

std::unique_ptr<Dropout> make_dropout_cuda(Device& device, const DropoutSpec& spec, const OpOptions& options) {
  return std::make_unique<CudaDropout>(device, spec, options);
}

}  // namespace convoy
