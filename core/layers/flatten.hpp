// `flatten`: an image as one row, in (H, W, C) order. fc does so by itself.
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/copy.hpp"

namespace convoy {

class FlattenLayer : public Layer {
 public:
  explicit FlattenLayer(const Attributes& a) : count_(a.input().count()) {}
  Shape output() const override { return {count_}; }
  bool in_place() const override { return true; }
  void prepare(Device& device, const OpOptions& options, InputGradient) override {
    copy_.prepare(device, count_, options);
  }
  void forward(const LayerRun& run) override { copy_.forward(run); }
  void backward(const LayerRun& run) override { copy_.backward(run); }

 private:
  int64_t count_;
  Copy copy_;
};

}  // namespace convoy
