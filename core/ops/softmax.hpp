// Softmax, and softmax with cross-entropy as one loss.
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

  /// dx_k = y_k (dy_k - sum_j dy_j y_j).
  virtual void backward(const OpContext& context, const float* y, const float* dy, float* dx, Write write) = 0;

  /// losses (N): log sum exp(x) - x_label. Labels in [0, classes).
  virtual void cross_entropy(const OpContext& context, const float* x, const int32_t* labels, float* losses) = 0;

  /// dx (N,classes) = scale (softmax(x) - onehot(label)).
  virtual void cross_entropy_backward(const OpContext& context, const float* x, const int32_t* labels, float scale,
                                      float* dx) = 0;
};

std::unique_ptr<Softmax> make_softmax(Device& device, const SoftmaxSpec& spec, const OpOptions& options);
std::unique_ptr<Softmax> make_softmax_cpu(Device& device, const SoftmaxSpec& spec, const OpOptions& options);
std::unique_ptr<Softmax> make_softmax_cuda(Device& device, const SoftmaxSpec& spec, const OpOptions& options);

}  // namespace convoy
