// `loss softmax`: the last line of a network that is to be trained. Its input is the prediction (logits).
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/softmax.hpp"

namespace convoy {

/// Softmax cross-entropy: one loss per image; the gradient is scaled by 1 / global batch, so that gradients are means.
class SoftmaxLossLayer : public Layer {
 public:
  explicit SoftmaxLossLayer(const Attributes& a) : classes_(a.input().count()) {
    a.word({"softmax"});
    if (a.input().rank() != 1) {
      a.fail("", concat("loss softmax reads a flat input, not ", a.input().text(), "; put an fc before it"));
    }
  }
  Shape output() const override { return {}; }
  bool is_loss() const override { return true; }
  BackwardReads backward_reads() const override { return {.input = true}; }
  void prepare(Device& device, const OpOptions& options, bool) override {
    op_ = make_softmax(device, {.classes = classes_}, options);
  }
  void forward(const LayerRun& run) override { op_->cross_entropy(run.op, run.x[0].f32(), run.labels, run.y.f32()); }
  void backward(const LayerRun& run) override {
    if (run.dx[0].data) {
      op_->cross_entropy_backward(run.op, run.x[0].f32(), run.labels, run.loss_scale, run.dx[0].f32());
    }
  }

 private:
  int64_t classes_;
  std::unique_ptr<Softmax> op_;
};

}  // namespace convoy
