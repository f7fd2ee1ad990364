// The gradient sink of a single worker: there is nobody to exchange with, so each range is updated as it becomes final.
#pragma once

#include "core/base/timer.hpp"
#include "core/optim/optimizer.hpp"
#include "core/train/seams.hpp"

namespace convoy {

class LocalSink : public GradientSink {
 public:
  LocalSink(const ParameterArena& arena, const Optimizer& optimizer) : arena_(arena), optimizer_(optimizer) {}

  void begin(int64_t step, float rate) override { step_ = step, rate_ = rate, done_ = 0, update_seconds_ = 0; }
  void ready(size_t end) override {
    const Timer timer;
    optimizer_.update(arena_, done_, end, rate_, step_);
    done_ = end;
    update_seconds_ += timer.seconds();
  }
  void finish(std::span<double>) override {}
  double exchange_seconds() const override { return 0; }
  double update_seconds() const override { return update_seconds_; }
  void gather_state() override {}

 private:
  ParameterArena arena_;
  const Optimizer& optimizer_;
  int64_t step_ = 0;
  float rate_ = 0;
  size_t done_ = 0;
  double update_seconds_ = 0;
};

}  // namespace convoy
