// Batch normalisation per channel: y = weight (x - mean) / sqrt(variance + epsilon) + bias.
//
// S. Ioffe and C. Szegedy, 2015. Training takes mean and (population) variance over the images and pixels of this call;
// inference is given running ones. Keeping those is the layer's business.
#pragma once

#include <memory>

#include "core/ops/op.hpp"

namespace convoy {

struct BatchNormSpec {
  int64_t pixels = 1;  // per image: H W
  int64_t channels = 1;
  float epsilon = 1e-5f;
  Activation activation = Activation::none;  // applied to the output of forward; none or relu
};

/// Mean and population variance (C) of one call, each.
struct BatchStatistics {
  float* mean = nullptr;
  float* variance = nullptr;
};

/// Variance over n - 1 elements divided by that over n.
inline float unbiased_by(int64_t elements) {
  return elements > 1 ? static_cast<float>(elements) / static_cast<float>(elements - 1) : 1;
}

class BatchNorm {
 public:
  virtual ~BatchNorm() = default;
  virtual size_t scratch_bytes() const = 0;

  /// y (N,H,W,C) from x, weight (C) and bias (C); writes the statistics. All are right to fp32 even where the mean is
  /// much larger than the deviation. y may be x.
  virtual void forward_training(const OpContext& context, const float* x, const float* weight, const float* bias,
                                float* y, const BatchStatistics& statistics) = 0;
  /// The same with running statistics. y may be x.
  virtual void forward_inference(const OpContext& context, const float* x, const float* weight, const float* bias,
                                 const float* mean, const float* variance, float* y) = 0;

  /// dx (N,H,W,C) from x, dy (the gradient before the activation) and the statistics of forward; null where it is not
  /// wanted. Overwrites dweight (C) and dbias (C). dx may be dy, unless it accumulates.
  virtual void backward(const OpContext& context, const float* x, const float* dy, const float* weight,
                        const BatchStatistics& statistics, float* dx, Write write, float* dweight, float* dbias) = 0;

  /// What the running statistics are to take in: `share` times the mean and times the variance, this one as estimated
  /// of all images from those of the call (over n - 1 elements, not n; over one if there is one only).
  virtual void newest_statistics(const OpContext& context, const BatchStatistics& statistics, float share, float* mean,
                                 float* variance) = 0;
};

std::unique_ptr<BatchNorm> make_batchnorm(Device& device, const BatchNormSpec& spec, const OpOptions& options);
std::unique_ptr<BatchNorm> make_batchnorm_cpu(Device& device, const BatchNormSpec& spec, const OpOptions& options);
std::unique_ptr<BatchNorm> make_batchnorm_cuda(Device& device, const BatchNormSpec& spec, const OpOptions& options);

}  // namespace convoy
