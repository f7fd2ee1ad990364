// `conv K= F= [S= P= D= G= bias=on|off fit= init= std= value=]`: convolution.
#pragma once

#include <algorithm>

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/conv.hpp"

namespace convoy {

class ConvLayer : public Layer {
 public:
  explicit ConvLayer(const Attributes& a) {
    spec_.input = a.image_input();
    spec_.filters = a.integer("K");
    spec_.kernel = a.extent("F");
    spec_.stride = a.extent("S", {1, 1});
    spec_.dilation = a.extent("D", {1, 1});
    spec_.padding = a.padding("P");
    spec_.groups = a.integer("G", 1);
    spec_.bias = a.on_off("bias", true);
    const int64_t channels = spec_.input[2];
    if (channels % spec_.groups != 0 || spec_.filters % spec_.groups != 0) {
      a.fail("G", concat("G=", spec_.groups, " must divide the ", channels, " input channels and K=", spec_.filters));
    }
    const Extent2 out = a.window_output(spec_.kernel, spec_.stride, spec_.dilation, spec_.padding);
    widen_padding(out);
    output_ = {out.h, out.w, spec_.filters};
    const int64_t window = spec_.kernel.h * spec_.kernel.w;
    init_ = a.initialiser(window * channels / spec_.groups, window * spec_.filters / spec_.groups);
  }

  Shape output() const override { return output_; }
  std::vector<ParameterSpec> parameters() const override {
    std::vector<ParameterSpec> out{{.name = "weight", .shape = spec_.weight(), .init = init_}};
    if (spec_.bias) out.push_back({.name = "bias", .shape = {spec_.filters}, .init = {}, .decay_multiplier = 0});
    return out;
  }
  int64_t multiply_adds() const override { return output_[0] * output_[1] * spec_.weight().count(); }
  Window window() const override {
    return {{spec_.dilation.h * (spec_.kernel.h - 1) + 1, spec_.dilation.w * (spec_.kernel.w - 1) + 1}, spec_.stride};
  }
  BackwardReads backward_reads() const override { return {.input = true}; }
  bool fuse_relu() override {
    spec_.activation = Activation::relu;
    return true;
  }

  void prepare(Device& device, const OpOptions& options, bool input_gradient) override {
    spec_.input_gradient = input_gradient;
    op_ = make_conv(device, spec_, options);
  }
  size_t scratch_bytes() const override { return op_->scratch_bytes(); }
  size_t packed_bytes() const override { return op_->packed_bytes(); }
  void attach(void* packed) override { op_->attach(packed); }
  std::string algorithms() const override { return op_->algorithms(); }
  void refresh(std::span<const float* const> parameters) override { op_->refresh_weights(parameters[0]); }

  void forward(const LayerRun& run) override {
    op_->forward(run.op, run.x[0].f32(), spec_.bias ? run.parameters[1] : nullptr, run.y.f32());
  }
  void backward(const LayerRun& run) override {
    if (run.dx[0].data) op_->backward_data(run.op, run.dy.f32(), run.dx[0].f32(), run.dx_write[0]);
    op_->backward_weights(run.op, run.x[0].f32(), run.dy.f32(), run.gradients[0],
                          spec_.bias ? run.gradients[1] : nullptr);
  }

 private:
  /// With fit=ceil the last window may reach past the padding: the op is given as much as that window needs.
  void widen_padding(const Extent2& out) {
    const Extent2 reach = window().extent;
    Padding& pad = spec_.padding;
    pad.bottom = std::max(pad.bottom, (out.h - 1) * spec_.stride.h + reach.h - spec_.input[0] - pad.top);
    pad.right = std::max(pad.right, (out.w - 1) * spec_.stride.w + reach.w - spec_.input[1] - pad.left);
  }

  ConvSpec spec_;
  Shape output_;
  Initialiser init_;
  std::unique_ptr<Conv> op_;
};

}  // namespace convoy
