// `add from=a,b` and `concat from=a,b`: several layers put together, for residual and inception shapes.
#pragma once

#include "core/layers/attributes.hpp"
#include "core/layers/layer.hpp"
#include "core/ops/add.hpp"
#include "core/ops/concat.hpp"

namespace convoy {

/// The pointers of several views, without allocating.
class InputPointers {
 public:
  explicit InputPointers(const std::vector<ConstView>& views) : count_(views.size()) {
    for (size_t i = 0; i < count_; ++i) pointers_[i] = views[i].f32();
  }
  std::span<const float* const> span() const { return {pointers_, count_}; }

  static constexpr size_t most = 64;

 private:
  const float* pointers_[most];
  size_t count_;
};

inline const std::vector<Shape>& merged_inputs(const Attributes& a) {
  const std::vector<Shape>& inputs = a.several_inputs();
  if (inputs.size() > InputPointers::most) a.fail("", concat("at most ", InputPointers::most, " layers in one from="));
  return inputs;
}

class AddLayer : public Layer {
 public:
  explicit AddLayer(const Attributes& a) {
    const std::vector<Shape>& inputs = merged_inputs(a);
    for (const Shape& shape : inputs) {
      if (shape != inputs[0]) {
        a.fail("", concat("add needs layers of one shape, not ", inputs[0].text(), " and ", shape.text()));
      }
    }
    output_ = inputs[0];
  }
  Shape output() const override { return output_; }
  bool in_place() const override { return true; }
  bool fuse_relu() override {
    spec_.activation = Activation::relu;
    return true;
  }
  void prepare(Device& device, const OpOptions& options, InputGradient) override {
    spec_.count = output_.count();
    op_ = make_add(device, spec_, options);
  }
  void forward(const LayerRun& run) override { op_->forward(run.op, InputPointers(run.x).span(), run.y.f32()); }
  void backward(const LayerRun& run) override {
    for (size_t i = 0; i < run.dx.size(); ++i) {
      if (run.dx[i].data) op_->backward(run.op, run.dy.f32(), run.dx[i].f32(), run.dx_write[i]);
    }
  }

 private:
  Shape output_;
  AddSpec spec_;
  std::unique_ptr<Add> op_;
};

class ConcatLayer : public Layer {
 public:
  explicit ConcatLayer(const Attributes& a) {
    const std::vector<Shape>& inputs = merged_inputs(a);
    const bool images = inputs[0].rank() == 3;
    int64_t channels = 0;
    for (const Shape& shape : inputs) {
      const bool fits =
          shape.rank() == inputs[0].rank() && (!images || (shape[0] == inputs[0][0] && shape[1] == inputs[0][1]));
      if (!fits) {
        a.fail("",
               concat("concat needs images of one height and width, not ", inputs[0].text(), " and ", shape.text()));
      }
      spec_.channels.push_back(shape[shape.rank() - 1]);
      channels += spec_.channels.back();
    }
    output_ = images ? Shape{inputs[0][0], inputs[0][1], channels} : Shape{channels};
    spec_.pixels = images ? inputs[0][0] * inputs[0][1] : 1;
  }
  Shape output() const override { return output_; }
  void prepare(Device& device, const OpOptions& options, InputGradient) override {
    op_ = make_concat(device, spec_, options);
  }
  void forward(const LayerRun& run) override { op_->forward(run.op, InputPointers(run.x).span(), run.y.f32()); }
  void backward(const LayerRun& run) override {
    for (size_t i = 0; i < run.dx.size(); ++i) {
      if (run.dx[i].data) op_->backward(run.op, run.dy.f32(), i, run.dx[i].f32(), run.dx_write[i]);
    }
  }

 private:
  Shape output_;
  ConcatSpec spec_;
  std::unique_ptr<Concat> op_;
};

}  // namespace convoy
