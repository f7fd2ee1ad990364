// `fc K=` and the keys of every weighted layer: fully connected; an image is read flattened in (H, W, C) order.
#pragma once

#include "core/layers/weighted.hpp"
#include "core/ops/fc.hpp"

namespace convoy {

class FcLayer : public WeightedLayer<FcSpec, Fc> {
 public:
  explicit FcLayer(const Attributes& a) {
    spec_.inputs = a.input().count();
    spec_.outputs = a.integer("K");
    read_parameters(a, {spec_.outputs, spec_.inputs}, spec_.outputs, a.initialiser(spec_.inputs, spec_.outputs));
  }
  Shape output() const override { return {spec_.outputs}; }
  int64_t multiply_adds() const override { return spec_.inputs * spec_.outputs; }
  void prepare(Device& device, const OpOptions& options, InputGradient input_gradient) override {
    spec_.input_gradient = input_gradient != InputGradient::none;
    op_ = make_fc(device, spec_, options);
  }
};

}  // namespace convoy
