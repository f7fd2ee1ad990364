// `loss softmax|hinge|mse`: the last line of a network that is to be trained. Its input is the prediction (scores).
#pragma once

#include <algorithm>

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/loss.hpp"

namespace convoy {

/// One loss per image (core/ops/loss.hpp); gradients are scaled by 1 / global batch, so that they are means.
/// Keys: class-weights=W,W,...; softmax: smoothing=; hinge: margin=, squared=on|off, mean=on|off.
class LossLayer : public Layer {
 public:
  explicit LossLayer(const Attributes& a) {
    const std::string kind = a.word({"softmax", "hinge", "mse"});
    spec_.kind = kind == "hinge" ? LossSpec::Kind::hinge
                 : kind == "mse" ? LossSpec::Kind::mse
                                 : LossSpec::Kind::softmax;
    const Shape& scores = a.input();
    spec_.classes = scores[scores.rank() - 1];
    if (scores.count() != spec_.classes) {
      a.fail("", concat("loss ", kind, " reads a flat input, not ", scores.text(),
                        "; put an fc or globalavgpool before it"));
    }
    belongs(a, "smoothing", kind == "softmax");
    for (const char* key : {"margin", "squared", "mean"}) belongs(a, key, kind == "hinge");
    spec_.smoothing = a.number_in("smoothing", 0, 0, 1);
    spec_.margin = a.number("margin", 1);
    spec_.squared = a.on_off("squared", false);
    spec_.mean = a.on_off("mean", false);
    spec_.class_weights = a.numbers("class-weights");
    const bool negative = std::ranges::any_of(spec_.class_weights, [](float weight) { return weight < 0; });
    const auto given = static_cast<int64_t>(spec_.class_weights.size());
    if (given > 0 && (given != spec_.classes || negative)) {
      a.fail("class-weights",
             concat("class-weights needs one number from 0 up for each of the ", spec_.classes, " classes"));
    }
  }
  Shape output() const override { return {}; }
  bool is_loss() const override { return true; }
  bool is_regression() const override { return spec_.kind == LossSpec::Kind::mse && spec_.classes == 1; }
  BackwardReads backward_reads() const override { return {.input = true}; }
  void prepare(Device& device, const OpOptions& options, InputGradient) override {
    op_ = make_loss(device, spec_, options);
  }
  void forward(const LayerRun& run) override { op_->forward(run.op, run.x[0].f32(), run.labels, run.y.f32()); }
  void backward(const LayerRun& run) override {
    if (!run.dx[0].data) return;
    op_->backward(run.op, run.x[0].f32(), run.labels, run.loss_scale, run.dx[0].f32(), run.dx_write[0]);
  }

 private:
  static void belongs(const Attributes& a, const char* key, bool known) {
    if (a.has(key) && !known) a.fail(key, concat("loss ", a.word({"softmax", "hinge", "mse"}), " does not know ", key));
  }

  LossSpec spec_;
  std::unique_ptr<Loss> op_;
};

}  // namespace convoy
