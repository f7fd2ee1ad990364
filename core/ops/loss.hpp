// Losses: one number per image from its scores and its label; gradients with respect to the scores.
//
// With one-hot target t and weight w of the label's class:
//   softmax   w * -sum_k q_k log softmax(x)_k, q = (1 - smoothing) t + smoothing / classes
//             (C. Szegedy et al., 2016; with smoothing, class weights are those of the label)
//   nll       -w x_label, where x already holds logarithms of probabilities
//   hinge     w * sum over k != label of max(0, x_k - x_label + margin), each term squared if `squared`, the sum
//   divided
//             by the number of classes if `mean`: the lecture's SVM loss (CS231n), J. Weston and C. Watkins, 1999
//   mse       w * mean over k of (x_k - t_k)^2; with a single score, the label itself is the target, and there are no
//             class weights
// The gradient of max(0, z) at z = 0 is 0. NaN in any score makes the loss NaN; nll looks at the label's score alone.
#pragma once

#include <memory>
#include <vector>

#include "core/ops/op.hpp"

namespace convoy {

struct LossSpec {
  enum class Kind : uint8_t { softmax, nll, hinge, mse };
  Kind kind = Kind::softmax;
  int64_t classes = 1;
  std::vector<float> class_weights{};  // one per class, or none: all 1
  float smoothing = 0;                 // softmax; in [0, 1)
  float margin = 1;                    // hinge
  bool squared = false;                // hinge
  bool mean = false;                   // hinge
};

class Loss {
 public:
  virtual ~Loss() = default;
  /// losses (N) from x (N,classes) and labels (N) in [0, classes). An image with a negative label has loss 0 and no
  /// gradient. Each is right to 1e-6 of itself even where it is small.
  virtual void forward(const OpContext& context, const float* x, const int32_t* labels, float* losses) = 0;
  /// dx (N,classes) = scale * the gradient of each image's loss.
  virtual void backward(const OpContext& context, const float* x, const int32_t* labels, float scale, float* dx,
                        Write write) = 0;
};

/// Fails with ExitCode::usage where class weights, smoothing or margin make no sense.
std::unique_ptr<Loss> make_loss(Device& device, const LossSpec& spec, const OpOptions& options);
std::unique_ptr<Loss> make_loss_cpu(Device& device, const LossSpec& spec, const OpOptions& options);
std::unique_ptr<Loss> make_loss_cuda(Device& device, const LossSpec& spec, const OpOptions& options);

}  // namespace convoy
