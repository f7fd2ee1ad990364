// The first line of every network: `input HxWxC` or `input C`.
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"

namespace convoy {

/// Holds the shape only: Net itself converts the stored pixels into this layer's output (core/ops/pixels.hpp).
class InputLayer : public Layer {
 public:
  explicit InputLayer(const Attributes& a) : shape_(a.shape_word()) {
    if (!a.inputs().empty()) a.fail("from", "input reads no other layer; remove from=");
  }
  Shape output() const override { return shape_; }
  void prepare(Device&, const OpOptions&, InputGradient) override {}
  void forward(const LayerRun&) override {}
  void backward(const LayerRun&) override {}

 private:
  Shape shape_;
};

}  // namespace convoy
