// `conv K= F= [S= P= D= G= fit=]` and the keys of every weighted layer: convolution.
#pragma once

#include <algorithm>

#include "core/layers/weighted.hpp"
#include "core/ops/conv.hpp"

namespace convoy {

class ConvLayer : public WeightedLayer<ConvSpec, Conv> {
 public:
  explicit ConvLayer(const Attributes& a) {
    spec_.input = a.image_input();
    spec_.filters = a.integer("K");
    spec_.kernel = a.extent("F");
    spec_.stride = a.extent("S", {1, 1});
    spec_.dilation = a.extent("D", {1, 1});
    spec_.padding = a.padding("P");
    spec_.groups = a.integer("G", 1);
    const int64_t channels = spec_.input[2];
    if (channels % spec_.groups != 0 || spec_.filters % spec_.groups != 0) {
      a.fail("G", concat("G=", spec_.groups, " must divide the ", channels, " input channels and K=", spec_.filters));
    }
    const Extent2 out = a.window_output(spec_.kernel, spec_.stride, spec_.dilation, spec_.padding);
    widen_padding(out);
    output_ = {out.h, out.w, spec_.filters};
    const int64_t window = spec_.kernel.h * spec_.kernel.w;
    read_parameters(a, spec_.weight(), spec_.filters,
                    a.initialiser(window * channels / spec_.groups, window * spec_.filters / spec_.groups));
  }

  Shape output() const override { return output_; }
  int64_t multiply_adds() const override { return output_[0] * output_[1] * spec_.weight().count(); }
  Window window() const override {
    return {{spec_.dilation.h * (spec_.kernel.h - 1) + 1, spec_.dilation.w * (spec_.kernel.w - 1) + 1}, spec_.stride};
  }
  void prepare(Device& device, const OpOptions& options, InputGradient input_gradient) override {
    spec_.input_gradient = input_gradient != InputGradient::none;
    spec_.accumulates = input_gradient == InputGradient::accumulated;
    op_ = make_conv(device, spec_, options);
  }

 private:
  /// With fit=ceil the last window may reach past the padding: the op is given as much as that window needs.
  void widen_padding(const Extent2& out) {
    const Extent2 reach = window().extent;
    Padding& pad = spec_.padding;
    pad.bottom = std::max(pad.bottom, (out.h - 1) * spec_.stride.h + reach.h - spec_.input[0] - pad.top);
    pad.right = std::max(pad.right, (out.w - 1) * spec_.stride.w + reach.w - spec_.input[1] - pad.left);
  }

  Shape output_;
};

}  // namespace convoy
