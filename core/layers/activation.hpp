// `relu`, `leakyrelu [slope=]`, `sigmoid`, `tanh`: elementwise functions.
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/activation.hpp"

namespace convoy {

template <Activation function>
class ActivationLayer : public Layer {
 public:
  explicit ActivationLayer(const Attributes& a) : shape_(a.input()) {
    if (function == Activation::leaky_relu) slope_ = a.number_in("slope", 0.01f, 0, 1e6f);
  }
  Shape output() const override { return shape_; }
  BackwardReads backward_reads() const override { return {.output = true}; }
  bool in_place() const override { return true; }
  void prepare(Device& device, const OpOptions& options, InputGradient) override {
    op_ = make_activation(device, {.function = function, .count = shape_.count(), .slope = slope_}, options);
  }
  void forward(const LayerRun& run) override { op_->forward(run.op, run.x[0].f32(), run.y.f32()); }
  void backward(const LayerRun& run) override {
    if (run.dx[0].data) op_->backward(run.op, run.y.f32(), run.dy.f32(), run.dx[0].f32(), run.dx_write[0]);
  }

 private:
  Shape shape_;
  float slope_ = 0;
  std::unique_ptr<ActivationOp> op_;
};

}  // namespace convoy
