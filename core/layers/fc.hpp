// `fc K= [bias=on|off init= std= value=]`: fully connected; an image is read flattened in (H, W, C) order.
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/fc.hpp"

namespace convoy {

class FcLayer : public Layer {
 public:
  explicit FcLayer(const Attributes& a) {
    spec_.inputs = a.input().count();
    spec_.outputs = a.integer("K");
    spec_.bias = a.on_off("bias", true);
    init_ = a.initialiser(spec_.inputs, spec_.outputs);
  }

  Shape output() const override { return {spec_.outputs}; }
  std::vector<ParameterSpec> parameters() const override {
    std::vector<ParameterSpec> out{{.name = "weight", .shape = {spec_.outputs, spec_.inputs}, .init = init_}};
    if (spec_.bias) out.push_back({.name = "bias", .shape = {spec_.outputs}, .init = {}, .decay_multiplier = 0});
    return out;
  }
  int64_t multiply_adds() const override { return spec_.inputs * spec_.outputs; }
  BackwardReads backward_reads() const override { return {.input = true}; }
  bool fuse_relu() override {
    spec_.activation = Activation::relu;
    return true;
  }

  void prepare(Device& device, const OpOptions& options, bool input_gradient) override {
    spec_.input_gradient = input_gradient;
    op_ = make_fc(device, spec_, options);
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
  FcSpec spec_;
  Initialiser init_;
  std::unique_ptr<Fc> op_;
};

}  // namespace convoy
