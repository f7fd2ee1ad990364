// Every element is computed on its own, so the buffers may be cut anywhere. The build leaves errno out of the square
// roots of this file (core/CMakeLists.txt): with it, loops that take them do not become vector code.
#include "core/optim/update_kernels.hpp"

#include "core/base/isa.hpp"

namespace convoy {
namespace {

// `ivdep`: weights, gradients and slots are different buffers.

CONVOY_ISA_CLONES void sgd_loop(const UpdateSpan& span) {
  float* w = span.weights;
  const float* g = span.gradients;
  const SegmentFactors s = span.factors;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) sgd_element(s, g[i], w[i]);
}

CONVOY_ISA_CLONES void momentum_loop(const RuleFactors& factors, const UpdateSpan& span) {
  float *w = span.weights, *v = span.slots[0];
  const float* g = span.gradients;
  const RuleFactors f = factors;
  const SegmentFactors s = span.factors;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) momentum_element(f, s, g[i], w[i], v[i]);
}

CONVOY_ISA_CLONES void nesterov_loop(const RuleFactors& factors, const UpdateSpan& span) {
  float *w = span.weights, *v = span.slots[0];
  const float* g = span.gradients;
  const RuleFactors f = factors;
  const SegmentFactors s = span.factors;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) nesterov_element(f, s, g[i], w[i], v[i]);
}

CONVOY_ISA_CLONES void adagrad_loop(const RuleFactors& factors, const UpdateSpan& span) {
  float *w = span.weights, *sum = span.slots[0];
  const float* g = span.gradients;
  const RuleFactors f = factors;
  const SegmentFactors s = span.factors;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) adagrad_element(f, s, g[i], w[i], sum[i]);
}

CONVOY_ISA_CLONES void rmsprop_loop(const RuleFactors& factors, const UpdateSpan& span) {
  float *w = span.weights, *square = span.slots[0];
  const float* g = span.gradients;
  const RuleFactors f = factors;
  const SegmentFactors s = span.factors;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) rmsprop_element(f, s, g[i], w[i], square[i]);
}

CONVOY_ISA_CLONES void rmsprop_momentum_loop(const RuleFactors& factors, const UpdateSpan& span) {
  float *w = span.weights, *square = span.slots[0], *v = span.slots[1];
  const float* g = span.gradients;
  const RuleFactors f = factors;
  const SegmentFactors s = span.factors;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) rmsprop_momentum_element(f, s, g[i], w[i], square[i], v[i]);
}

CONVOY_ISA_CLONES void adadelta_loop(const RuleFactors& factors, const UpdateSpan& span) {
  float *w = span.weights, *square = span.slots[0], *moved = span.slots[1];
  const float* g = span.gradients;
  const RuleFactors f = factors;
  const SegmentFactors s = span.factors;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) adadelta_element(f, s, g[i], w[i], square[i], moved[i]);
}

CONVOY_ISA_CLONES void adam_loop(const RuleFactors& factors, const UpdateSpan& span) {
  float *w = span.weights, *first = span.slots[0], *second = span.slots[1];
  const float* g = span.gradients;
  const RuleFactors f = factors;
  const SegmentFactors s = span.factors;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) adam_element(f, s, g[i], w[i], first[i], second[i]);
}

}  // namespace

void update_kernel(Rule rule, const RuleFactors& factors, const UpdateSpan& span) {
  switch (rule) {
    case Rule::sgd: return sgd_loop(span);
    case Rule::momentum: return momentum_loop(factors, span);
    case Rule::nesterov: return nesterov_loop(factors, span);
    case Rule::adagrad: return adagrad_loop(factors, span);
    case Rule::rmsprop: return rmsprop_loop(factors, span);
    case Rule::rmsprop_momentum: return rmsprop_momentum_loop(factors, span);
    case Rule::adadelta: return adadelta_loop(factors, span);
    case Rule::adam: return adam_loop(factors, span);
  }
}

CONVOY_ISA_CLONES void average_kernel(const UpdateSpan& span) {
  float* w = span.weights;
  const float* g = span.gradients;
  const float rate = span.factors.average_rate;
#pragma GCC ivdep
  for (size_t i = 0; i < span.count; ++i) average_element(rate, g[i], w[i]);
}

}  // namespace convoy
