// `lrn [n= alpha= beta= k= region=across|within]`: local response normalisation.
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/lrn.hpp"

namespace convoy {

class LrnLayer : public Layer {
 public:
  explicit LrnLayer(const Attributes& a) {
    const bool within = a.choice("region", {"across", "within"}) == "within";
    spec_.input = within || a.input().rank() == 3 ? a.image_input() : Shape{1, 1, a.input().count()};
    output_ = a.input();
    spec_.region = within ? LrnSpec::Region::within : LrnSpec::Region::across;
    spec_.n = a.integer("n", spec_.n);
    if (within && spec_.n % 2 == 0) a.fail("n", "region=within needs an odd n, so that the window has a middle");
    spec_.alpha = a.number_in("alpha", spec_.alpha, 0, 1e6f);
    spec_.beta = a.number_in("beta", spec_.beta, 0, 100);
    spec_.k = a.number("k", spec_.k);
    if (spec_.k <= 0) a.fail("k", "k must be positive, or the output would be infinite where the input is 0");
  }
  Shape output() const override { return output_; }
  Window window() const override {
    if (spec_.region == LrnSpec::Region::across) return {};
    return {{spec_.n, spec_.n}, {1, 1}};
  }
  BackwardReads backward_reads() const override { return {.input = true}; }
  void prepare(Device& device, const OpOptions& options, InputGradient) override {
    op_ = make_lrn(device, spec_, options);
  }
  size_t scratch_bytes() const override { return op_->scratch_bytes(); }
  void forward(const LayerRun& run) override { op_->forward(run.op, run.x[0].f32(), run.y.f32()); }
  void backward(const LayerRun& run) override {
    if (run.dx[0].data) op_->backward(run.op, run.x[0].f32(), run.dy.f32(), run.dx[0].f32(), run.dx_write[0]);
  }

 private:
  LrnSpec spec_;
  Shape output_;
  std::unique_ptr<Lrn> op_;
};

}  // namespace convoy
