// `batchnorm [momentum= epsilon= rate= decay=]`: batch normalisation per channel, with PyTorch's conventions.
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/batchnorm.hpp"

namespace convoy {

/// Training normalises with the statistics of the lane. The running ones are segments of the arena whose "gradient" is
/// the newest value: so lanes and workers are averaged by the same sum as gradients, and everybody holds the same bits.
/// The running variance takes in the unbiased one, as PyTorch has it; `momentum` is the weight of the newest value.
class BatchNormLayer : public Layer {
 public:
  explicit BatchNormLayer(const Attributes& a) : shape_(a.input()) {
    spec_.channels = shape_[shape_.rank() - 1];
    spec_.pixels = shape_.count() / spec_.channels;
    spec_.epsilon = a.number_in("epsilon", 1e-5f, 1e-12f, 1);
    momentum_ = a.number_in("momentum", 0.1f, 1e-6f, 1);
    rate_ = a.multipliers("rate", {});
    decay_ = a.multipliers("decay", {.weight = 0, .bias = 0});
    role_ = a.has("decay") ? Segment::Role::bias_with_own_decay : Segment::Role::bias;
  }
  Shape output() const override { return shape_; }
  std::vector<ParameterSpec> parameters() const override {
    const Shape shape{spec_.channels};
    const Initialiser zero, one{.value = 1};
    return {{"weight", shape, one, decay_.weight, rate_.weight, 0, role_},
            {"bias", shape, zero, decay_.bias, rate_.bias, 0, role_},
            {"running_mean", shape, zero, 0, 1, momentum_},
            {"running_variance", shape, one, 0, 1, momentum_}};
  }
  BackwardReads backward_reads() const override { return {.input = true}; }
  bool mixes_images() const override { return true; }
  bool fuse_relu() override {
    spec_.activation = Activation::relu;
    return true;
  }

  void prepare(Device& device, const OpOptions& options, InputGradient) override {
    op_ = make_batchnorm(device, spec_, options);
  }
  size_t saved_bytes() const override { return 2 * static_cast<size_t>(spec_.channels) * sizeof(float); }
  size_t scratch_bytes() const override { return op_->scratch_bytes(); }
  void forward(const LayerRun& run) override {
    const std::vector<const float*>& p = run.parameters;
    if (run.training) {
      op_->forward_training(run.op, run.x[0].f32(), p[0], p[1], run.y.f32(), statistics(run));
    } else {
      op_->forward_inference(run.op, run.x[0].f32(), p[0], p[1], p[2], p[3], run.y.f32());
    }
  }
  void backward(const LayerRun& run) override {
    op_->backward(run.op, run.x[0].f32(), run.dy.f32(), run.parameters[0], statistics(run), run.dx[0].f32(),
                  run.dx_write[0], run.gradients[0], run.gradients[1]);
    const float share = run.loss_scale * static_cast<float>(run.x[0].shape[0]);  // of this lane in the global batch
    op_->newest_statistics(run.op, statistics(run), share, run.gradients[2], run.gradients[3]);
  }

 private:
  BatchStatistics statistics(const LayerRun& run) const {
    auto* saved = static_cast<float*>(run.saved);
    return {.mean = saved, .variance = saved + spec_.channels};
  }

  Shape shape_;
  BatchNormSpec spec_;
  float momentum_ = 0;
  Attributes::Multipliers rate_, decay_;
  Segment::Role role_ = Segment::Role::bias;
  std::unique_ptr<BatchNorm> op_;
};

}  // namespace convoy
