// Activation functions on a GPU. x and y, and dy and dx, may be the same memory: an element is read before it is
// written, and no element depends on another.
#include "core/device/cuda.hpp"
#include "core/ops/activation.hpp"

namespace convoy {
namespace {

__device__ float value(Activation function, float slope, float x) {
  switch (function) {
    case Activation::relu: return x < 0 ? 0.0f : x;  // NaN stays
    case Activation::leaky_relu: return x > 0 ? x : slope * x;
    case Activation::sigmoid: {
      // By exp(-|x|), which cannot overflow, and without 1 - exp(...) where little would be left of it.
      const float t = expf(-fabsf(x));
      return (x < 0 ? t : 1.0f) / (1.0f + t);
    }
    case Activation::tanh: return tanhf(x);
    case Activation::none: break;
  }
  return x;
}

/// dy f'(x), told from y.
__device__ float gradient(Activation function, float slope, float y, float dy) {
  switch (function) {
    case Activation::relu: return y > 0 ? dy : 0.0f;
    case Activation::leaky_relu: return dy * (y > 0 ? 1.0f : slope);
    case Activation::sigmoid: return dy * (y * (1.0f - y));
    case Activation::tanh: return dy * (1.0f - y * y);
    case Activation::none: break;
  }
  return dy;
}

class CudaActivation final : public ActivationOp {
 public:
  CudaActivation(const Device& device, const ActivationSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)),
        function_(spec.function),
        slope_(spec.slope),
        count_(spec.count * options.batch) {}

  void forward(const OpContext&, const float* x, float* y) override {
    const Activation function = function_;
    const float slope = slope_;
    cuda::for_each(stream_, count_, [=] __device__(int64_t i) { y[i] = value(function, slope, x[i]); });
  }

  void backward(const OpContext&, const float* y, const float* dy, float* dx, Write write) override {
    const Activation function = function_;
    const float slope = slope_;
    const bool adds = write == Write::accumulate;
    cuda::for_each(stream_, count_,
                   [=] __device__(int64_t i) { cuda::store(dx[i], gradient(function, slope, y[i], dy[i]), adds); });
  }

 private:
  cudaStream_t stream_;
  Activation function_;
  float slope_;
  int64_t count_;
};

}  // namespace

std::unique_ptr<ActivationOp> make_activation_cuda(Device& device, const ActivationSpec& spec,
                                                   const OpOptions& options) {
  return std::make_unique<CudaActivation>(device, spec, options);
}

}  // namespace convoy
