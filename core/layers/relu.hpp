// `relu`: max(x, 0).
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/relu.hpp"

namespace convoy {

class ReluLayer : public Layer {
 public:
  explicit ReluLayer(const Attributes& a) : shape_(a.input()) {}
  Shape output() const override { return shape_; }
  BackwardReads backward_reads() const override { return {.output = true}; }
  bool in_place() const override { return true; }
  void prepare(Device& device, const OpOptions& options, bool) override {
    op_ = make_relu(device, {.count = shape_.count()}, options);
  }
  void forward(const LayerRun& run) override { op_->forward(run.op, run.x[0].f32(), run.y.f32()); }
  void backward(const LayerRun& run) override {
    if (run.dx[0].data) op_->backward(run.op, run.y.f32(), run.dy.f32(), run.dx[0].f32(), run.dx_write[0]);
  }

 private:
  Shape shape_;
  std::unique_ptr<Relu> op_;
};

}  // namespace convoy
