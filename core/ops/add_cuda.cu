// The sum of tensors on a GPU.
#include "core/ops/add.hpp"
#include "core/ops/packs_cuda.hpp"

namespace convoy {
namespace {

constexpr int most_inputs = 8;  // of one launch; the sum of more goes through y

struct Inputs {
  const float* x[most_inputs];
  int count;
};

template <int width>
__device__ void add(cuda::Pack<float, width>& sum, const cuda::Pack<float, width>& x) {
  for (int k = 0; k < width; ++k) sum.of[k] += x.of[k];
}

/// y = the sum of the elements at `at`. y may be an input: all of these are read before y is written.
template <int width>
__device__ void sum_at(int64_t at, const Inputs& inputs, bool relu, float* y) {
  cuda::Pack<float, width> sum = cuda::load<width>(inputs.x[0] + at);
  add(sum, cuda::load<width>(inputs.x[1] + at));
  for (int i = 2; i < inputs.count; ++i) add(sum, cuda::load<width>(inputs.x[i] + at));
  for (int k = 0; k < width; ++k) sum.of[k] = relu && sum.of[k] < 0 ? 0.0f : sum.of[k];  // NaN stays
  cuda::store(y + at, sum);
}

template <int width>
__global__ void sum_kernel(int64_t n, const __grid_constant__ Inputs inputs, bool relu, float* y) {
  const int64_t packs = n / width, stride = int64_t{gridDim.x} * blockDim.x;
  const int64_t first = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  for (int64_t i = first; i < packs; i += stride) sum_at<width>(i * width, inputs, relu, y);
  const int64_t rest = packs * width + first;
  if (rest < n) sum_at<1>(rest, inputs, relu, y);
}

class CudaAdd final : public Add {
 public:
  CudaAdd(const Device& device, const AddSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)),
        count_(spec.count * options.batch),
        relu_(spec.activation == Activation::relu) {}

  void forward(const OpContext&, std::span<const float* const> x, float* y) override {
    if (count_ == 0) return;
    Inputs inputs{{x[0]}, 1};
    bool packed = cuda::packs_fit(x[0], y);
    for (size_t i = 1; i < x.size(); ++i) {
      inputs.x[inputs.count++] = x[i];
      packed = packed && cuda::packs_fit(x[i]);
      const bool last = i + 1 == x.size();
      if (!last && inputs.count < most_inputs) continue;
      cuda::launch(stream_, cuda::blocks_for(packed ? count_ / 4 : count_), cuda::block_threads,
                   packed ? sum_kernel<4> : sum_kernel<1>, count_, inputs, relu_ && last, y);
      inputs = {{y}, 1};
    }
  }

  void backward(const OpContext&, const float* dy, float* dx, Write write) override {
    const bool adds = write == Write::accumulate;
    if (adds || dx != dy) cuda::copy_or_add(stream_, count_, dy, dx, adds);
  }

 private:
  cudaStream_t stream_;
  int64_t count_;
  bool relu_;
};

}  // namespace

std::unique_ptr<Add> make_add_cuda(Device& device, const AddSpec& spec, const OpOptions& options) {
  return std::make_unique<CudaAdd>(device, spec, options);
}

}  // namespace convoy
