// `maxpool|avgpool F= [S= P= D= fit=]` (D: maxpool only) and `globalavgpool`: one value for each window; S is F where
// it is not given.
#pragma once

#include <algorithm>

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/avgpool.hpp"
#include "core/ops/maxpool.hpp"

namespace convoy {

/// Pixels from a window's first to its last.
inline Extent2 dilated(const Extent2& kernel, const Extent2& dilation) {
  return {dilation.h * (kernel.h - 1) + 1, dilation.w * (kernel.w - 1) + 1};
}

/// Reads the window that both kinds of pooling share.
template <typename Spec>
Spec read_pooling(const Attributes& a, const Extent2& dilation = {1, 1}) {
  Spec spec{.input = a.image_input()};
  spec.kernel = a.extent("F");
  spec.stride = a.extent("S", spec.kernel);
  spec.padding = a.padding("P");
  const Padding& pad = spec.padding;
  const Extent2 reach = dilated(spec.kernel, dilation);
  if (std::max(pad.top, pad.bottom) >= reach.h || std::max(pad.left, pad.right) >= reach.w) {
    a.fail("P", "the padding must be smaller than the window, or some windows would hold no pixel");
  }
  const Extent2 out = a.window_output(spec.kernel, spec.stride, dilation, spec.padding);
  spec.output = {out.h, out.w, spec.input[2]};
  return spec;
}

class MaxPoolLayer : public Layer {
 public:
  explicit MaxPoolLayer(const Attributes& a) {
    const Extent2 dilation = a.extent("D", {1, 1});
    spec_ = read_pooling<MaxPoolSpec>(a, dilation);
    spec_.dilation = dilation;
    if (!every_window_holds_a_pixel(spec_)) {
      a.fail("D", "the dilation leaves windows whose pixels all lie in the padding; make D or P smaller");
    }
    if (spec_.kernel.h * spec_.kernel.w > 255) a.fail("F", "a maxpool window holds at most 255 pixels; make F smaller");
  }
  Shape output() const override { return spec_.output; }
  Window window() const override { return {dilated(spec_.kernel, spec_.dilation), spec_.stride}; }
  bool mask_relu() override { return spec_.masks_relu = true; }
  void prepare(Device& device, const OpOptions& options, InputGradient) override {
    op_ = make_maxpool(device, spec_, options);
  }
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

class AvgPoolLayer : public Layer {
 public:
  explicit AvgPoolLayer(const Attributes& a) : AvgPoolLayer(read_pooling<AvgPoolSpec>(a)) {
    spec_.divisor = a.choice("pad", {"counted", "not"}) == "not" ? PoolDivisor::inside : PoolDivisor::counted;
  }
  Shape output() const override { return spec_.output; }
  Window window() const override { return {spec_.kernel, spec_.stride}; }
  void prepare(Device& device, const OpOptions& options, InputGradient) override {
    op_ = make_avgpool(device, spec_, options);
  }
  void forward(const LayerRun& run) override { op_->forward(run.op, run.x[0].f32(), run.y.f32()); }
  void backward(const LayerRun& run) override {
    if (run.dx[0].data) op_->backward(run.op, run.dy.f32(), run.dx[0].f32(), run.dx_write[0]);
  }

 protected:
  explicit AvgPoolLayer(const AvgPoolSpec& spec) : spec_(spec) {}

 private:
  AvgPoolSpec spec_;
  std::unique_ptr<AvgPool> op_;
};

/// One window as large as the image: the output is 1x1xC.
class GlobalAvgPoolLayer : public AvgPoolLayer {
 public:
  explicit GlobalAvgPoolLayer(const Attributes& a) : AvgPoolLayer(whole(a.image_input())) {}

 private:
  static AvgPoolSpec whole(const Shape& image) {
    return {.input = image, .output = {1, 1, image[2]}, .kernel = {image[0], image[1]}};
  }
};

}  // namespace convoy
