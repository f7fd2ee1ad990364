// The gradient sink of a single worker: there is nobody to exchange with, so each range is updated as it becomes final,
// or, where the optimizer needs norms first, all of them at the end of the step.
//
// On a GPU updates are queued behind what made the gradients, and in front of what will read the weights; only for
// norms the host waits. Seconds are then the host's.
#pragma once

#include <optional>

#include "core/base/timer.hpp"
#include "core/optim/optimizer.hpp"
#include "core/train/seams.hpp"

namespace convoy {

class LocalSink : public GradientSink {
 public:
  /// For an arena in ordinary memory.
  LocalSink(const ParameterArena& arena, const Optimizer& optimizer);
  /// For an arena in the device's memory, and an optimizer made for it.
  LocalSink(Device& device, const ParameterArena& arena, const Optimizer& optimizer);

  void begin(int64_t step, float rate) override;
  void ready(size_t end) override;
  bool queue_update(size_t begin, size_t end) override;
  void finish(std::span<double> totals) override;
  double exchange_seconds() const override { return 0; }
  double update_seconds() const override { return update_seconds_; }
  void gather_state() override {}

 private:
  ParameterArena arena_;
  const Optimizer& optimizer_;
  std::optional<NormSums> sums_;
  UpdateStep step_;
  size_t done_ = 0;
  double update_seconds_ = 0;
};

}  // namespace convoy
