// `dropout [p=]`: drops elements with probability p in training and scales the others by 1 / (1 - p); else does
// nothing.
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/copy.hpp"
#include "core/ops/dropout.hpp"

namespace convoy {

class DropoutLayer : public Layer {
 public:
  explicit DropoutLayer(const Attributes& a) : shape_(a.input()), p_(a.number_in("p", 0.5f, 0, 1)) {
    if (p_ == 1) a.fail("p", "p=1 would drop everything; give a smaller p");
  }
  Shape output() const override { return shape_; }
  bool in_place() const override { return true; }
  void prepare(Device& device, const OpOptions& options, InputGradient) override {
    copy_.prepare(device, shape_.count(), options);
    op_ = make_dropout(device, {.count = shape_.count(), .p = p_}, options);
  }
  void forward(const LayerRun& run) override {
    if (!run.training || p_ == 0) return copy_.forward(run);
    op_->forward(run.op, key(run), run.x[0].f32(), run.y.f32());
  }
  void backward(const LayerRun& run) override {
    if (p_ == 0) return copy_.backward(run);
    if (run.dx[0].data) op_->backward(run.op, key(run), run.dy.f32(), run.dx[0].f32(), run.dx_write[0]);
  }

 private:
  static DropoutKey key(const LayerRun& run) {
    return {.seed = run.seed, .layer = run.layer, .position = run.position};
  }

  Shape shape_;
  float p_;
  Copy copy_;
  std::unique_ptr<Dropout> op_;
};

}  // namespace convoy
