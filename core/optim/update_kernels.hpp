// The inner loops of the optimizers: one pass over a part of a segment each, private to core/optim.
#pragma once

#include <array>
#include <cstddef>

namespace convoy {

/// What stands for dL/dw in an update: scale g + decay w + l1 sign(w).
struct Slope {
  float scale = 1, decay = 0, l1 = 0;
};

/// Elements of one segment, all buffers from the same one on.
struct UpdateSpan {
  size_t count = 0;
  float* weights = nullptr;
  const float* gradients = nullptr;
  std::array<float*, 2> slots{};  // as many as the optimizer has
  float rate = 0;                 // with the segment's multiplier
  Slope slope;
};

/// Formulas are in optimizer.hpp; d stands for the slope.
void sgd_kernel(const UpdateSpan& span);
void momentum_kernel(const UpdateSpan& span, float mu);
void nesterov_kernel(const UpdateSpan& span, float mu);
void adagrad_kernel(const UpdateSpan& span, float epsilon);
void rmsprop_kernel(const UpdateSpan& span, float alpha, float alpha_rest, float epsilon);
void rmsprop_momentum_kernel(const UpdateSpan& span, float alpha, float alpha_rest, float epsilon, float mu);
void adadelta_kernel(const UpdateSpan& span, float rho, float rho_rest, float epsilon);

/// `rest` of a factor is 1 - factor, taken in double precision: 1 - 0.999f is off by 1e-5.
struct AdamFactors {
  float beta1 = 0, beta1_rest = 0, beta2 = 0, beta2_rest = 0, epsilon = 0;
  float rate = 0;    // over 1 - beta1^t
  float root2 = 0;   // 1 / sqrt(1 - beta2^t)
  float shrink = 1;  // of the weights before the step, AdamW's decay
};
void adam_kernel(const UpdateSpan& span, const AdamFactors& factors);

/// w += rate (g - w).
void average_kernel(float* weights, const float* gradients, size_t count, float rate);

}  // namespace convoy
