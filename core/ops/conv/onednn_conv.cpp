// See conv_onednn.hpp.
#include "core/ops/conv/onednn_conv.hpp"

#include "core/base/parallel.hpp"
#include "core/ops/elementwise_cpu.hpp"
#include "core/ops/onednn/primitive.hpp"

namespace convoy::onednn {
namespace {

using dnnl::memory;

constexpr auto direct = dnnl::algorithm::convolution_direct;

/// A spec in oneDNN's terms: dimensions in NCHW order whatever the layout, dilation counted from 0.
struct Geometry {
  Geometry(const ConvSpec& spec, const OpOptions& options);

  memory::data_type compute;
  memory::desc x, y, bias, weight;           // fp32, as the arena and the activations have them
  memory::desc factor_x, factor_y;           // x and y's gradient as the primitives multiply them
  memory::desc any_weight, any_fp32_weight;  // the latter for gradients
  memory::dims stride, dilation, pad_before, pad_after;
  int64_t multiply_adds;
};

memory::desc nhwc(int64_t batch, const Shape& image, memory::data_type type) {
  return {{batch, image[2], image[0], image[1]}, type, memory::format_tag::nhwc};
}

Geometry::Geometry(const ConvSpec& spec, const OpOptions& options)
    : compute(options.compute == DType::bf16 ? memory::data_type::bf16 : memory::data_type::f32),
      x(nhwc(options.batch, spec.input, memory::data_type::f32)),
      y(nhwc(options.batch, spec.output(), memory::data_type::f32)),
      factor_x(nhwc(options.batch, spec.input, compute)),
      factor_y(nhwc(options.batch, spec.output(), compute)),
      stride{spec.stride.h, spec.stride.w},
      dilation{spec.dilation.h - 1, spec.dilation.w - 1},
      pad_before{spec.padding.top, spec.padding.left},
      pad_after{spec.padding.bottom, spec.padding.right},
      multiply_adds(options.batch * spec.output()[0] * spec.output()[1] * spec.weight().count()) {
  if (spec.bias) bias = dense({spec.filters});
  const int64_t r = spec.kernel.h, s = spec.kernel.w, c = spec.input[2] / spec.groups;
  memory::dims dims{spec.filters, c, r, s};
  memory::dims strides{r * s * c, 1, s * c, c};
  if (spec.groups > 1) {
    dims = {spec.groups, spec.filters / spec.groups, c, r, s};
    strides.insert(strides.begin(), spec.filters / spec.groups * r * s * c);
  }
  weight = {dims, memory::data_type::f32, strides};
  any_weight = {dims, compute, memory::format_tag::any};
  any_fp32_weight = {dims, memory::data_type::f32, memory::format_tag::any};
}

/// The first of oneDNN's implementations that `wanted` accepts, or its own first choice if there is none. `make` must
/// refer to an operation descriptor that outlives this call: oneDNN 2.6 keeps a pointer to it and reads it again.
template <typename Make, typename Wanted>
auto pick(const Make& make, const Wanted& wanted) {
  auto description = make();
  while (!wanted(std::string_view(description.impl_info_str()))) {
    if (!description.next_impl()) return make();
  }
  return description;
}

using Forward = dnnl::convolution_forward::primitive_desc;
using BackwardData = dnnl::convolution_backward_data::primitive_desc;
using BackwardWeights = dnnl::convolution_backward_weights::primitive_desc;

Forward describe_forward(const ConvSpec& spec, const Geometry& g) {
  const dnnl::convolution_forward::desc operation(dnnl::prop_kind::forward_training, direct, g.factor_x, g.any_weight,
                                                  g.bias, g.y, g.stride, g.dilation, g.pad_before, g.pad_after);
  // brgconv multiplies matrices as deep as one kernel row. For rows this short the older kernel is 1.2 to 1.6 times
  // as fast (28x28x1, 5x5, K=20 and 224x224x3, 3x3, K=64; equal at 5x5x3), though oneDNN lists it second.
  const bool short_rows = spec.kernel.w * spec.input[2] / spec.groups < 16;
  return pick([&] { return Forward(operation, user_scratch(), engine()); },
              [&](std::string_view name) { return !(short_rows && name.starts_with("brgconv")); });
}

/// What the backward descriptors take as a hint: their own types, whatever forward is made with.
Forward hint(const Geometry& g) {
  return {{dnnl::prop_kind::forward_training, direct, g.factor_x, g.any_weight, g.bias, g.factor_y, g.stride,
           g.dilation, g.pad_before, g.pad_after},
          user_scratch(),
          engine()};
}

BackwardData describe_backward_data(const ConvSpec& spec, const Geometry& g, const OpOptions& options) {
  const dnnl::convolution_backward_data::desc operation(direct, g.x, g.any_weight, g.factor_y, g.stride, g.dilation,
                                                        g.pad_before, g.pad_after);
  const Forward forward = hint(g);
  // The AVX-512 kernel works on 16 input channels at a time. Where more than a third of them would be filling and the
  // kernel is large enough to pay for the copies, a matrix product and a scatter are 1 to 1.7 times as fast (5x5: C=20
  // of LeNet's conv2 1.13, C=8 1.17, C=3 1.5; 3x3 from C=6 on: slower). On one thread: with two, the product is
  // split image by image and loses. Not in bf16, where the unrolled image would be rounded once more.
  const int64_t channels = spec.input[2] / spec.groups, filled = (channels + 15) / 16 * 16;
  const bool by_product = options.threads == 1 && options.compute == DType::f32 && 3 * channels < 2 * filled &&
                          spec.kernel.h * spec.kernel.w >= 25;
  return pick([&] { return BackwardData(operation, user_scratch(), engine(), forward); },
              [&](std::string_view name) { return !by_product || name.find("gemm") != std::string_view::npos; });
}

BackwardWeights describe_backward_weights(const Geometry& g) {
  const dnnl::convolution_backward_weights::desc operation(direct, g.factor_x, g.any_fp32_weight, g.bias, g.factor_y,
                                                           g.stride, g.dilation, g.pad_before, g.pad_after);
  return {operation, user_scratch(), engine(), hint(g)};
}

/// A copy between two layouts or precisions by way of a place in scratch, or nothing where they are the same.
class Copy {
 public:
  Copy() = default;
  Copy(const memory::desc& from, const memory::desc& to, size_t bytes, const OpOptions& options, Layout& scratch)
      : needed_(from != to) {
    if (!needed_) return;
    auto [primitive, own_bytes] = make_reorder(from, to, options);
    primitive_ = std::move(primitive);
    at_ = scratch.add(bytes);
    own_at_ = scratch.add(own_bytes);
  }

  /// Copies `from` into scratch and gives where it is now.
  const void* in(const OpContext& context, const void* from) {
    if (!needed_) return from;
    primitive_.run(context.team, {from, place(context), own(context)});
    return place(context);
  }
  /// Where to write what out() then copies to `to`.
  void* target(const OpContext& context, void* to) const { return needed_ ? place(context) : to; }
  void out(const OpContext& context, void* to) {
    if (needed_) primitive_.run(context.team, {place(context), to, own(context)});
  }

 private:
  std::byte* place(const OpContext& context) const { return static_cast<std::byte*>(context.scratch) + at_; }
  std::byte* own(const OpContext& context) const { return static_cast<std::byte*>(context.scratch) + own_at_; }

  bool needed_ = false;
  Primitive primitive_;
  size_t at_ = 0, own_at_ = 0;
};

/// Weights as a primitive wants them, kept in the op's packed memory.
class PackedWeights {
 public:
  PackedWeights(const memory::desc& from, const memory::desc& to, const OpOptions& options) {
    auto [primitive, bytes] = make_reorder(from, to, options);
    primitive_ = std::move(primitive);
    layout_.add(to.get_size());
    scratch_at_ = layout_.add(bytes);
  }
  size_t bytes() const { return layout_.bytes(); }
  /// `index`: the weights' among the arguments of `user`.
  void attach(void* packed, Primitive& user, size_t index) {
    packed_ = static_cast<std::byte*>(packed);
    user.bind(index, packed_);
    primitive_.bind(1, packed_);
  }
  void refresh(const float* weight) { primitive_.run(0, {weight, packed_, packed_ + scratch_at_}); }
  const void* data() const { return packed_; }

 private:
  Primitive primitive_;
  Layout layout_;
  std::byte* packed_ = nullptr;
  size_t scratch_at_ = 0;
};

std::byte* at(const OpContext& context, size_t offset) {
  return static_cast<std::byte*>(context.scratch) + offset;
}

template <typename Description>
std::string name_of(std::string_view pass, const Description& description, const Geometry& g) {
  return checked(concat("convolution, ", pass), description.impl_info_str(), g.multiply_adds);
}

class OnednnForward final : public ConvForward {
 public:
  OnednnForward(const ConvSpec& spec, const OpOptions& options, const Geometry& g, const Forward& description)
      : ConvForward(name_of("forward", description, g)),
        options_(options),
        outputs_(options.batch * spec.output().count()),
        relu_(spec.activation == Activation::relu),
        primitive_(description,
                   {{DNNL_ARG_SRC, g.factor_x},
                    {DNNL_ARG_WEIGHTS, description.weights_desc()},
                    {DNNL_ARG_BIAS, g.bias},
                    {DNNL_ARG_DST, g.y}},
                   options),
        weights_(g.weight, description.weights_desc(), options),
        own_at_(layout_.add(description.scratchpad_desc().get_size())),
        x_(g.x, g.factor_x, g.factor_x.get_size(), options, layout_) {}

  size_t scratch_bytes() const override { return layout_.bytes(); }
  size_t packed_bytes() const override { return weights_.bytes(); }
  void attach(void* packed) override { weights_.attach(packed, primitive_, 1); }
  void refresh_weights(const float* weight) override { weights_.refresh(weight); }

  void run(const OpContext& context, const float* x, const float* bias, float* y) override {
    const void* factor = x_.in(context, x);
    primitive_.run(context.team, {factor, weights_.data(), bias, y, at(context, own_at_)});
    // Not oneDNN's fused relu: it turns NaN into 0, and a run that diverged would go on unnoticed.
    if (relu_) {
      const TeamThreads threads(options_.threads);
      cpu::relu(outputs_, y, y);
    }
  }

 private:
  const OpOptions options_;
  const int64_t outputs_;
  const bool relu_;
  Primitive primitive_;
  PackedWeights weights_;
  Layout layout_;
  size_t own_at_;
  Copy x_;
};

class OnednnBackwardData final : public ConvBackwardData {
 public:
  OnednnBackwardData(const ConvSpec& spec, const OpOptions& options, const Geometry& g, const BackwardData& description)
      : ConvBackwardData(name_of("backward data", description, g)),
        options_(options),
        inputs_(options.batch * spec.input.count()),
        primitive_(
            description,
            {{DNNL_ARG_DIFF_DST, g.factor_y}, {DNNL_ARG_WEIGHTS, description.weights_desc()}, {DNNL_ARG_DIFF_SRC, g.x}},
            options),
        weights_(g.weight, description.weights_desc(), options),
        own_at_(layout_.add(description.scratchpad_desc().get_size())),
        dy_(g.y, g.factor_y, g.factor_y.get_size(), options, layout_) {
    // oneDNN can only overwrite dx: to accumulate, it writes here and the sum is taken after.
    if (spec.accumulates) added_gradient_at_ = layout_.add(g.x.get_size());
  }

  size_t scratch_bytes() const override { return layout_.bytes(); }
  size_t packed_bytes() const override { return weights_.bytes(); }
  void attach(void* packed) override { weights_.attach(packed, primitive_, 1); }
  void refresh_weights(const float* weight) override { weights_.refresh(weight); }

  void run(const OpContext& context, const float* dy, float* dx, Write write) override {
    const bool adds = write == Write::accumulate;
    float* target = adds ? reinterpret_cast<float*>(at(context, added_gradient_at_)) : dx;
    const void* factor = dy_.in(context, dy);
    primitive_.run(context.team, {factor, weights_.data(), target, at(context, own_at_)});
    if (adds) {
      const TeamThreads threads(options_.threads);
      cpu::add(inputs_, target, dx);
    }
  }

 private:
  const OpOptions options_;
  const int64_t inputs_;
  Primitive primitive_;
  PackedWeights weights_;
  Layout layout_;
  size_t own_at_, added_gradient_at_ = 0;
  Copy dy_;
};

class OnednnBackwardWeights final : public ConvBackwardWeights {
 public:
  OnednnBackwardWeights(const OpOptions& options, const Geometry& g, const BackwardWeights& description)
      : ConvBackwardWeights(name_of("backward weights", description, g)),
        primitive_(description,
                   {{DNNL_ARG_SRC, g.factor_x},
                    {DNNL_ARG_DIFF_DST, g.factor_y},
                    {DNNL_ARG_DIFF_WEIGHTS, description.diff_weights_desc()},
                    {DNNL_ARG_DIFF_BIAS, g.bias}},
                   options),
        own_at_(layout_.add(description.scratchpad_desc().get_size())),
        x_(g.x, g.factor_x, g.factor_x.get_size(), options, layout_),
        dy_(g.y, g.factor_y, g.factor_y.get_size(), options, layout_),
        gradient_(description.diff_weights_desc(), g.weight, description.diff_weights_desc().get_size(), options,
                  layout_) {}

  size_t scratch_bytes() const override { return layout_.bytes(); }

  void run(const OpContext& context, const float* x, const float* dy, float* dweight, float* dbias) override {
    const void* factor_x = x_.in(context, x);
    const void* factor_y = dy_.in(context, dy);
    void* target = gradient_.target(context, dweight);
    primitive_.run(context.team, {factor_x, factor_y, target, dbias, at(context, own_at_)});
    gradient_.out(context, dweight);
  }

 private:
  Primitive primitive_;
  Layout layout_;
  size_t own_at_;
  Copy x_, dy_, gradient_;
};

}  // namespace

std::unique_ptr<ConvForward> make_forward(const ConvSpec& spec, const OpOptions& options) {
  return guarded("convolution, forward", [&] {
    const TeamThreads threads(options.threads);
    const Geometry g(spec, options);
    return std::make_unique<OnednnForward>(spec, options, g, describe_forward(spec, g));
  });
}

std::unique_ptr<ConvBackwardData> make_backward_data(const ConvSpec& spec, const OpOptions& options) {
  return guarded("convolution, backward data", [&] {
    const TeamThreads threads(options.threads);
    const Geometry g(spec, options);
    return std::make_unique<OnednnBackwardData>(spec, options, g, describe_backward_data(spec, g, options));
  });
}

std::unique_ptr<ConvBackwardWeights> make_backward_weights(const ConvSpec& spec, const OpOptions& options) {
  return guarded("convolution, backward weights", [&] {
    const TeamThreads threads(options.threads);
    const Geometry g(spec, options);
    return std::make_unique<OnednnBackwardWeights>(options, g, describe_backward_weights(g));
  });
}

}  // namespace convoy::onednn
