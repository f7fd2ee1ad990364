// Optimizers: one pass over a range of the arena each.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/device/device.hpp"
#include "core/memory/arena.hpp"
#include "core/optim/norms.hpp"

namespace convoy {

struct OptimizerOptions {
  /// Stands for the optimizer's own default.
  static constexpr float unset = -1;

  std::string name = "momentum";
  float momentum = unset;     // 0.9; rmsprop: 0
  double beta1 = 0.9;         // adam, adamw
  double beta2 = 0.999;       // adam, adamw
  double decay_rate = unset;  // rmsprop's alpha: 0.99; adadelta's rho: 0.9
  double epsilon = unset;     // adagrad 1e-10, adadelta 1e-6, the others 1e-8
  double trust = 0.001;       // lars
  double clip_norm = 0;       // the gradient is scaled down to this Euclidean norm; 0: never
  float weight_decay = 0;
  float l1 = 0;             // coefficient of |w| in the loss
  bool decay_bias = false;  // what is added for weight_decay and l1, biases and norms get too
};

/// What an update needs to know of its step.
struct UpdateStep {
  int64_t step = 0;                     // from 0
  float rate = 0;                       // the learning rate
  std::span<const SquaredNorms> norms;  // one per segment, if the optimizer needs them
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Names of the state buffers, "momentum": as many as ParameterArena::slots() must be.
  virtual std::vector<std::string> slots() const = 0;

  /// Unless none, no weight may be updated before the norms of all gradients are known.
  virtual NormNeed norm_need() const { return NormNeed::none; }

  /// Sends a device the numbers that belong to this step. update() does that itself where it was not done; apart, the
  /// updates that were recorded for one step can be replayed for another. Nothing to do on the CPU.
  virtual void prepare(const UpdateStep& /*step*/) const {}

  /// Updates weights and state in [begin, begin + gradients.size()) of the arena. Gradients are exact means over the
  /// global batch; running averages take a step to their newest values instead. Safe to call for disjoint ranges at
  /// once.
  virtual void update(const ParameterArena& arena, size_t begin, std::span<const float> gradients,
                      const UpdateStep& step) const = 0;
  /// The same from the arena's gradients in [begin, end).
  void update(const ParameterArena& arena, size_t begin, size_t end, const UpdateStep& step) const {
    update(arena, begin, arena.gradients().subspan(begin, end - begin), step);
  }
};

/// The optimizers, as PyTorch defines them. d is the gradient of the loss with its penalties,
///   d = c g + decay w + l1 sign(w),  c = min(1, clip_norm / (|all g| + 1e-6))   (torch.nn.utils.clip_grad_norm_)
/// t counts steps from 1, state starts at 0, r is the rate times the segment's multiplier:
///   sgd       w -= r d
///   momentum  v = mu v + d;  w -= r v
///   nesterov  v = mu v + d;  w -= r (d + mu v)
///   adagrad   s += d^2;  w -= r d / (sqrt(s) + epsilon)                       J. Duchi et al., JMLR 2011
///   rmsprop   s = alpha s + (1 - alpha) d^2;  q = d / (sqrt(s) + epsilon)     T. Tieleman and G. Hinton, 2012
///             w -= r q, or with momentum v = mu v + q;  w -= r v
///   adadelta  s = rho s + (1 - rho) d^2;  x = sqrt((u + epsilon) / (s + epsilon)) d      M. Zeiler, 2012
///             u = rho u + (1 - rho) x^2;  w -= r x
///   adam      m = b1 m + (1 - b1) d;  s = b2 s + (1 - b2) d^2                 D. Kingma and J. Ba, ICLR 2015
///             w -= r m / (1 - b1^t) / (sqrt(s / (1 - b2^t)) + epsilon)
///   adamw     as adam, but its decay is no part of d: first w -= r decay w    I. Loshchilov and F. Hutter, ICLR 2019
///   lars      momentum with d times trust |w| / (|c g| + decay |w|), the norms taken over the segment; without this
///             factor where it is not defined, and for biases and norms        Y. You et al., 2017
/// Throws Error(usage) for an unknown name, naming the nearest, and for values out of range.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options);

/// The same for arenas in the device's memory, of this table. On a GPU an update is queued: one kernel, however many
/// segments there are, and no waiting.
std::unique_ptr<Optimizer> make_optimizer(Device& device, const SegmentTable& table, const OptimizerOptions& options);

/// The names make_optimizer knows.
std::vector<std::string> optimizer_names();

/// Keys of `convoy train` whose options differ from their defaults, but mean nothing to this optimizer.
std::vector<std::string> unused_optimizer_keys(const OptimizerOptions& options);

}  // namespace convoy
