// What conv and fc have in common: one op with a weight and perhaps a bias, and multipliers for both.
#pragma once

#include <memory>

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"

namespace convoy {

/// Keys of every weighted layer, beside its own.
inline std::vector<std::string> weighted_keys(std::vector<std::string> own) {
  own.insert(own.end(), {"bias", "init", "std", "value", "bias-value", "rate", "decay"});
  return own;
}

template <typename Spec, typename Op>
class WeightedLayer : public Layer {
 public:
  std::vector<ParameterSpec> parameters() const override {
    std::vector<ParameterSpec> out{weight_};
    if (spec_.bias) out.push_back(bias_);
    return out;
  }
  BackwardReads backward_reads() const override { return {.input = true}; }
  bool fuse_relu() override {
    spec_.activation = Activation::relu;
    return true;
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

 protected:
  /// Reads the keys of weighted_keys(); `outputs` is the length of the bias.
  void read_parameters(const Attributes& a, const Shape& weight, int64_t outputs, const Initialiser& init) {
    const Attributes::Multipliers rate = a.multipliers("rate", {});
    const Attributes::Multipliers decay = a.multipliers("decay", {.weight = 1, .bias = 0});
    const Initialiser bias{.value = a.number("bias-value", 0)};
    spec_.bias = a.on_off("bias", true);
    weight_ = {"weight", weight, init, decay.weight, rate.weight};
    bias_ = {"bias", {outputs}, bias, decay.bias, rate.bias};
    bias_.role = a.numbers("decay").size() == 2 ? Segment::Role::bias_with_own_decay : Segment::Role::bias;
  }

  Spec spec_;
  std::unique_ptr<Op> op_;

 private:
  ParameterSpec weight_, bias_;
};

}  // namespace convoy
