// `softmax`: probabilities over the last dimension.
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/softmax.hpp"

namespace convoy {

class SoftmaxLayer : public Layer {
 public:
  explicit SoftmaxLayer(const Attributes& a) : shape_(a.input()) {
    if (shape_.count() != shape_[shape_.rank() - 1]) {
      a.fail("", concat("softmax reads a flat input, not ", shape_.text(), "; put an fc or globalavgpool before it"));
    }
  }
  Shape output() const override { return shape_; }
  BackwardReads backward_reads() const override { return {.output = true}; }
  void prepare(Device& device, const OpOptions& options, InputGradient) override {
    op_ = make_softmax(device, {.classes = shape_.count()}, options);
  }
  void forward(const LayerRun& run) override { op_->forward(run.op, run.x[0].f32(), run.y.f32()); }
  void backward(const LayerRun& run) override {
    if (run.dx[0].data) op_->backward(run.op, run.y.f32(), run.dy.f32(), run.dx[0].f32(), run.dx_write[0]);
  }

 private:
  Shape shape_;
  std::unique_ptr<Softmax> op_;
};

}  // namespace convoy
