// Optimizers: one pass over a range of the arena each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/memory/arena.hpp"

namespace convoy {

struct OptimizerOptions {
  std::string name = "momentum";  // sgd | momentum
  float momentum = 0.9f;
  float weight_decay = 0;
  bool decay_bias = false;  // biases are decayed too
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// Names of the state buffers, "momentum": as many as ParameterArena::slots() must be.
  virtual std::vector<std::string> slots() const = 0;

  /// Updates weights and state in [begin, end) of the arena from its gradients, which are exact means over the global
  /// batch. `rate` is this step's learning rate, `step` counts from 0. Safe to call for disjoint ranges at once.
  virtual void update(const ParameterArena& arena, size_t begin, size_t end, float rate, int64_t step) const = 0;
};

/// Throws Error(usage) for an unknown name, naming the nearest.
///   sgd       g = dL/dw + decay * w;  w -= rate * g
///   momentum  v = momentum * v + g;   w -= rate * v     (PyTorch's convention: the rate is outside v)
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options);

/// The names make_optimizer knows.
std::vector<std::string> optimizer_names();

}  // namespace convoy
