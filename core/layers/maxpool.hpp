// `maxpool F= [S= P= fit=]`: the largest of each window; S is F where it is not given.
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/maxpool.hpp"

namespace convoy {

class MaxPoolLayer : public Layer {
 public:
  explicit MaxPoolLayer(const Attributes& a) {
    spec_.input = a.image_input();
    spec_.kernel = a.extent("F");
    spec_.stride = a.extent("S", spec_.kernel);
    spec_.padding = a.padding("P");
    if (spec_.padding.top >= spec_.kernel.h || spec_.padding.left >= spec_.kernel.w) {
      a.fail("P", "the padding must be smaller than the window, or some windows would hold no pixel");
    }
    const Extent2 out = a.window_output(spec_.kernel, spec_.stride, {1, 1}, spec_.padding);
    spec_.output = {out.h, out.w, spec_.input[2]};
  }
  Shape output() const override { return spec_.output; }
  Window window() const override { return {spec_.kernel, spec_.stride}; }
  void prepare(Device& device, const OpOptions& options, bool) override { op_ = make_maxpool(device, spec_, options); }
  size_t saved_bytes() const override { return op_->argmax_bytes(); }
  void forward(const LayerRun& run) override {
    op_->forward(run.op, run.x[0].f32(), run.y.f32(), run.training ? run.saved : nullptr);
  }
  void backward(const LayerRun& run) override {
    if (run.dx[0].data) op_->backward(run.op, run.dy.f32(), run.saved, run.dx[0].f32(), run.dx_write[0]);
  }

 private:
  MaxPoolSpec spec_;
  std::unique_ptr<MaxPool> op_;
};

}  // namespace convoy
