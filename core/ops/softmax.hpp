// Softmax and its logarithm.
#pragma once

#include <memory>

#include "core/ops/op.hpp"

namespace convoy {

struct SoftmaxSpec {
  int64_t classes = 1;
};

class Softmax {
 public:
  virtual ~Softmax() = default;

  /// y (N,classes): y_k = exp(x_k - max x) / sum exp(x_j - max x). y may be x.
  virtual void forward(const OpContext& context, const float* x, float* y) = 0;
  /// y_k = x_k - log sum exp(x_j). y may be x.
  virtual void forward_log(const OpContext& context, const float* x, float* y) = 0;

  /// dx_k = y_k (dy_k - sum_j dy_j y_j), with y from forward. dx may be dy, unless it accumulates.
  virtual void backward(const OpContext& context, const float* y, const float* dy, float* dx, Write write) = 0;
};

std::unique_ptr<Softmax> make_softmax(Device& device, const SoftmaxSpec& spec, const OpOptions& options);
std::unique_ptr<Softmax> make_softmax_cpu(Device& device, const SoftmaxSpec& spec, const OpOptions& options);
std::unique_ptr<Softmax> make_softmax_cuda(Device& device, const SoftmaxSpec& spec, const OpOptions& options);

}  // namespace convoy
