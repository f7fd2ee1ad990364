// See onednn_fc.hpp.
//
// Everything is in its plain layout: weights (K,C) as they lie in the arena need no packed copy, no repacking after
// each update and no unpacking of the gradient.
#include <algorithm>

#include "core/base/parallel.hpp"
#include "core/ops/elementwise_cpu.hpp"
#include "core/ops/fc/onednn_fc.hpp"
#include "core/ops/onednn/primitive.hpp"

namespace convoy::fc {
namespace {

using dnnl::memory;

class OnednnFc final : public Fc {
 public:
  OnednnFc(const FcSpec& spec, const OpOptions& options)
      : spec_(spec),
        options_(options),
        x_(onednn::dense({options.batch, spec.inputs})),
        y_(onednn::dense({options.batch, spec.outputs})),
        weight_(onednn::dense({spec.outputs, spec.inputs})) {
    if (spec.bias) bias_ = onednn::dense({spec.outputs});
    const TeamThreads threads(options.threads);
    const auto forward = prepare_forward();
    if (spec.input_gradient) prepare_backward_data(forward);
    prepare_backward_weights(forward);
  }

  size_t packed_bytes() const override { return 0; }
  void attach(void*) override {}
  size_t scratch_bytes() const override { return scratch_bytes_; }
  std::string algorithms() const override { return algorithms_; }

  /// The weights are read where they are; the arena keeps them in one place.
  void refresh_weights(const float* weight) override { weight_data_ = weight; }

  void forward(const OpContext& context, const float* x, const float* bias, float* y) override {
    forward_.run(context.team, {x, weight_data_, bias, y, context.scratch});
    // Not oneDNN's fused relu: it turns NaN into 0, and a run that diverged would go on unnoticed.
    if (spec_.activation == Activation::relu) {
      const TeamThreads threads(options_.threads);
      cpu::relu(options_.batch * spec_.outputs, y, y);
    }
  }

  void backward_data(const OpContext& context, const float* dy, float* dx, Write write) override {
    std::byte* scratch = static_cast<std::byte*>(context.scratch);
    float* target = write == Write::accumulate ? reinterpret_cast<float*>(scratch + added_gradient_at_) : dx;
    backward_data_.run(context.team, {dy, weight_data_, target, scratch + backward_scratch_at_});
    if (write == Write::accumulate) {
      const TeamThreads threads(options_.threads);
      cpu::add(options_.batch * spec_.inputs, target, dx);
    }
  }

  void backward_weights(const OpContext& context, const float* x, const float* dy, float* dweight,
                        float* dbias) override {
    backward_weights_.run(context.team, {x, dy, dweight, dbias, context.scratch});
  }

 private:
  using Forward = dnnl::inner_product_forward::primitive_desc;

  template <typename Description>
  void note(std::string_view pass, const Description& description) {
    const int64_t work = options_.batch * spec_.inputs * spec_.outputs;
    algorithms_ += concat(algorithms_.empty() ? "" : ", ", pass, " ",
                          onednn::checked(concat("fully connected, ", pass), description.impl_info_str(), work));
  }

  Forward prepare_forward() {
    const Forward description({dnnl::prop_kind::forward_training, x_, weight_, bias_, y_}, onednn::user_scratch(),
                              onednn::engine());
    note("forward", description);
    forward_ = {
        description,
        {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, weight_}, {DNNL_ARG_BIAS, bias_}, {DNNL_ARG_DST, y_}},
        options_,
    };
    scratch_bytes_ = description.scratchpad_desc().get_size();
    return description;
  }

  void prepare_backward_data(const Forward& forward) {
    const dnnl::inner_product_backward_data::primitive_desc description({x_, weight_, y_}, onednn::user_scratch(),
                                                                        onednn::engine(), forward);
    note("backward data", description);
    backward_data_ = {
        description,
        {{DNNL_ARG_DIFF_DST, y_}, {DNNL_ARG_WEIGHTS, weight_}, {DNNL_ARG_DIFF_SRC, x_}},
        options_,
    };
    onednn::Layout scratch;
    // oneDNN can only overwrite dx: to accumulate, it writes here and the sum is taken after.
    added_gradient_at_ = scratch.add(x_.get_size());
    backward_scratch_at_ = scratch.add(description.scratchpad_desc().get_size());
    scratch_bytes_ = std::max(scratch_bytes_, scratch.bytes());
  }

  void prepare_backward_weights(const Forward& forward) {
    const dnnl::inner_product_backward_weights::primitive_desc description(
        {x_, weight_, bias_, y_}, onednn::user_scratch(), onednn::engine(), forward);
    note("backward weights", description);
    backward_weights_ = {
        description,
        {{DNNL_ARG_SRC, x_}, {DNNL_ARG_DIFF_DST, y_}, {DNNL_ARG_DIFF_WEIGHTS, weight_}, {DNNL_ARG_DIFF_BIAS, bias_}},
        options_,
    };
    scratch_bytes_ = std::max(scratch_bytes_, description.scratchpad_desc().get_size());
  }

  const FcSpec spec_;
  const OpOptions options_;
  const memory::desc x_, y_, weight_;
  memory::desc bias_;
  std::string algorithms_;
  onednn::Primitive forward_, backward_data_, backward_weights_;
  const float* weight_data_ = nullptr;
  size_t scratch_bytes_ = 0;  // the largest of the three passes'
  size_t added_gradient_at_ = 0, backward_scratch_at_ = 0;
};

}  // namespace

std::unique_ptr<Fc> make_onednn_fc(const FcSpec& spec, const OpOptions& options) {
  return onednn::guarded("fully connected layer", [&] { return std::make_unique<OnednnFc>(spec, options); });
}

}  // namespace convoy::fc
