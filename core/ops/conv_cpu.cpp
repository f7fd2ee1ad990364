// Convolution on oneDNN: plain NHWC activations, weights in the layout each primitive likes best.
//
// The packed block holds the forward weights, the backward ones where their layout differs, and the scratch of the
// reorders that fill them. Weight gradients leave the primitive packed and are unpacked straight into the arena.
#include "core/base/parallel.hpp"
#include "core/ops/conv.hpp"
#include "core/ops/elementwise_cpu.hpp"
#include "core/ops/onednn/primitive.hpp"

namespace convoy {
namespace {

using dnnl::memory;
using onednn::guarded;

constexpr auto direct = dnnl::algorithm::convolution_direct;

/// A spec in oneDNN's terms: dimensions in NCHW order whatever the layout, dilation counted from 0.
struct Geometry {
  Geometry(const ConvSpec& spec, int64_t batch);

  memory::desc x, y, bias, weight;  // as the arena and the activations have them
  memory::desc any_weight;
  memory::dims stride, dilation, pad_before, pad_after;
};

memory::desc nhwc(int64_t batch, const Shape& image) {
  return {{batch, image[2], image[0], image[1]}, memory::data_type::f32, memory::format_tag::nhwc};
}

Geometry::Geometry(const ConvSpec& spec, int64_t batch)
    : x(nhwc(batch, spec.input)),
      y(nhwc(batch, spec.output())),
      stride{spec.stride.h, spec.stride.w},
      dilation{spec.dilation.h - 1, spec.dilation.w - 1},
      pad_before{spec.padding.top, spec.padding.left},
      pad_after{spec.padding.bottom, spec.padding.right} {
  if (spec.bias) bias = onednn::dense({spec.filters});
  const int64_t r = spec.kernel.h, s = spec.kernel.w, c = spec.input[2] / spec.groups;
  memory::dims dims{spec.filters, c, r, s};
  memory::dims strides{r * s * c, 1, s * c, c};
  if (spec.groups > 1) {
    dims = {spec.groups, spec.filters / spec.groups, c, r, s};
    strides.insert(strides.begin(), spec.filters / spec.groups * r * s * c);
  }
  weight = {dims, memory::data_type::f32, strides};
  any_weight = {dims, memory::data_type::f32, memory::format_tag::any};
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
  const dnnl::convolution_forward::desc operation(dnnl::prop_kind::forward_training, direct, g.x, g.any_weight, g.bias,
                                                  g.y, g.stride, g.dilation, g.pad_before, g.pad_after);
  // brgconv multiplies matrices as deep as one kernel row. For rows this short the older kernel is 1.2 to 1.6 times
  // as fast (28x28x1, 5x5, K=20 and 224x224x3, 3x3, K=64; equal at 5x5x3), though oneDNN lists it second.
  const bool short_rows = spec.kernel.w * spec.input[2] / spec.groups < 16;
  return pick([&] { return Forward(operation, onednn::user_scratch(), onednn::engine()); },
              [&](std::string_view name) { return !(short_rows && name.starts_with("brgconv")); });
}

BackwardData describe_backward_data(const ConvSpec& spec, const Geometry& g, const Forward& forward, int threads) {
  const dnnl::convolution_backward_data::desc operation(direct, g.x, g.any_weight, g.y, g.stride, g.dilation,
                                                        g.pad_before, g.pad_after);
  // The AVX-512 kernel works on 16 input channels at a time. Where more than a third of them would be filling and the
  // kernel is large enough to pay for the copies, a matrix product and a scatter are 1 to 1.7 times as fast (5x5: C=20
  // of LeNet's conv2 1.13, C=8 1.17, C=3 1.5; 3x3 from C=6 on: slower). On one thread: with two, the product is
  // split image by image and loses.
  const int64_t channels = spec.input[2] / spec.groups, filled = (channels + 15) / 16 * 16;
  const bool by_product = threads == 1 && 3 * channels < 2 * filled && spec.kernel.h * spec.kernel.w >= 25;
  return pick([&] { return BackwardData(operation, onednn::user_scratch(), onednn::engine(), forward); },
              [&](std::string_view name) { return !by_product || name.find("gemm") != std::string_view::npos; });
}

BackwardWeights describe_backward_weights(const Geometry& g, const Forward& forward) {
  const dnnl::convolution_backward_weights::desc operation(direct, g.x, g.any_weight, g.bias, g.y, g.stride, g.dilation,
                                                           g.pad_before, g.pad_after);
  return {operation, onednn::user_scratch(), onednn::engine(), forward};
}

class CpuConv final : public Conv {
 public:
  CpuConv(const ConvSpec& spec, const OpOptions& options)
      : spec_(spec), options_(options), geometry_(spec, options.batch) {
    const TeamThreads threads(options.threads);
    const Forward forward = describe_forward(spec_, geometry_);
    prepare_forward(forward);
    if (spec_.input_gradient) prepare_backward_data(describe_backward_data(spec_, geometry_, forward, options.threads));
    prepare_backward_weights(describe_backward_weights(geometry_, forward));
    reorder_scratch_at_ = packed_.add(pack_scratch_bytes_);
  }

  size_t packed_bytes() const override { return packed_.bytes(); }
  size_t scratch_bytes() const override { return scratch_bytes_; }
  std::string algorithms() const override { return algorithms_; }

  void attach(void* packed) override {
    packed_data_ = static_cast<std::byte*>(packed);
    forward_.bind(1, packed_data_ + forward_weight_at_);
    pack_forward_.bind(1, packed_data_ + forward_weight_at_);
    if (!spec_.input_gradient) return;
    backward_data_.bind(1, packed_data_ + backward_weight_at_);
    if (backward_is_packed_apart_) pack_backward_.bind(1, packed_data_ + backward_weight_at_);
  }

  void refresh_weights(const float* weight) override {
    std::byte* scratch = packed_data_ + reorder_scratch_at_;
    pack_forward_.run(0, {weight, packed_data_ + forward_weight_at_, scratch});
    if (backward_is_packed_apart_) pack_backward_.run(0, {weight, packed_data_ + backward_weight_at_, scratch});
  }

  void forward(const OpContext& context, const float* x, const float* bias, float* y) override {
    forward_.run(context.team, {x, packed_data_ + forward_weight_at_, bias, y, context.scratch});
    // Not oneDNN's fused relu: it turns NaN into 0, and a run that diverged would go on unnoticed.
    if (spec_.activation == Activation::relu) {
      const TeamThreads threads(options_.threads);
      cpu::relu(options_.batch * spec_.output().count(), y, y);
    }
  }

  void backward_data(const OpContext& context, const float* dy, float* dx, Write write) override {
    std::byte* scratch = static_cast<std::byte*>(context.scratch);
    float* target = write == Write::accumulate ? reinterpret_cast<float*>(scratch + added_gradient_at_) : dx;
    backward_data_.run(context.team, {dy, packed_data_ + backward_weight_at_, target, scratch + backward_scratch_at_});
    if (write == Write::accumulate) {
      const TeamThreads threads(options_.threads);
      cpu::add(options_.batch * spec_.input.count(), target, dx);
    }
  }

  void backward_weights(const OpContext& context, const float* x, const float* dy, float* dweight,
                        float* dbias) override {
    std::byte* scratch = static_cast<std::byte*>(context.scratch);
    void* packed = gradient_is_packed_ ? static_cast<void*>(scratch + packed_gradient_at_) : dweight;
    backward_weights_.run(context.team, {x, dy, packed, dbias, scratch + gradient_scratch_at_});
    if (gradient_is_packed_) unpack_gradient_.run(context.team, {packed, dweight, scratch + unpack_scratch_at_});
  }

 private:
  void note(std::string_view pass, const char* implementation) {
    const int64_t work = options_.batch * spec_.output()[0] * spec_.output()[1] * spec_.weight().count();
    algorithms_ += concat(algorithms_.empty() ? "" : ", ", pass, " ",
                          onednn::checked(concat("convolution, ", pass), implementation, work));
  }

  void prepare_forward(const Forward& description) {
    note("forward", description.impl_info_str());
    forward_ = {description,
                {{DNNL_ARG_SRC, geometry_.x},
                 {DNNL_ARG_WEIGHTS, description.weights_desc()},
                 {DNNL_ARG_BIAS, geometry_.bias},
                 {DNNL_ARG_DST, geometry_.y}},
                options_};
    forward_weight_at_ = packed_.add(description.weights_desc().get_size());
    forward_weight_ = description.weights_desc();
    scratch_bytes_ = description.scratchpad_desc().get_size();
    pack_forward_ = make_pack(forward_weight_);
  }

  void prepare_backward_data(const BackwardData& description) {
    note("backward data", description.impl_info_str());
    backward_data_ = {description,
                      {{DNNL_ARG_DIFF_DST, geometry_.y},
                       {DNNL_ARG_WEIGHTS, description.weights_desc()},
                       {DNNL_ARG_DIFF_SRC, geometry_.x}},
                      options_};
    backward_is_packed_apart_ = description.weights_desc() != forward_weight_;
    if (backward_is_packed_apart_) {
      backward_weight_at_ = packed_.add(description.weights_desc().get_size());
      pack_backward_ = make_pack(description.weights_desc());
    } else {
      backward_weight_at_ = forward_weight_at_;
    }
    onednn::Layout scratch;
    // oneDNN can only overwrite dx: to accumulate, it writes here and the sum is taken after.
    added_gradient_at_ = scratch.add(geometry_.x.get_size());
    backward_scratch_at_ = scratch.add(description.scratchpad_desc().get_size());
    scratch_bytes_ = std::max(scratch_bytes_, scratch.bytes());
  }

  void prepare_backward_weights(const BackwardWeights& description) {
    note("backward weights", description.impl_info_str());
    const memory::desc packed = description.diff_weights_desc();
    backward_weights_ = {description,
                         {{DNNL_ARG_SRC, geometry_.x},
                          {DNNL_ARG_DIFF_DST, geometry_.y},
                          {DNNL_ARG_DIFF_WEIGHTS, packed},
                          {DNNL_ARG_DIFF_BIAS, geometry_.bias}},
                         options_};
    onednn::Layout scratch;
    gradient_scratch_at_ = scratch.add(description.scratchpad_desc().get_size());
    gradient_is_packed_ = packed != geometry_.weight;
    if (gradient_is_packed_) {
      auto [primitive, bytes] = onednn::make_reorder(packed, geometry_.weight, options_);
      unpack_gradient_ = std::move(primitive);
      packed_gradient_at_ = scratch.add(packed.get_size());
      unpack_scratch_at_ = scratch.add(bytes);
    }
    scratch_bytes_ = std::max(scratch_bytes_, scratch.bytes());
  }

  onednn::Primitive make_pack(const memory::desc& to) {
    auto [primitive, bytes] = onednn::make_reorder(geometry_.weight, to, options_);
    pack_scratch_bytes_ = std::max(pack_scratch_bytes_, bytes);
    return std::move(primitive);
  }

  const ConvSpec spec_;
  const OpOptions options_;
  const Geometry geometry_;
  std::string algorithms_;

  onednn::Primitive forward_, backward_data_, backward_weights_;
  onednn::Primitive pack_forward_, pack_backward_, unpack_gradient_;
  memory::desc forward_weight_;
  bool backward_is_packed_apart_ = false;
  bool gradient_is_packed_ = false;

  onednn::Layout packed_;
  std::byte* packed_data_ = nullptr;
  size_t forward_weight_at_ = 0, backward_weight_at_ = 0, reorder_scratch_at_ = 0, pack_scratch_bytes_ = 0;

  size_t scratch_bytes_ = 0;  // the largest of the three passes', whose offsets these are
  size_t added_gradient_at_ = 0, backward_scratch_at_ = 0;
  size_t gradient_scratch_at_ = 0, packed_gradient_at_ = 0, unpack_scratch_at_ = 0;
};

}  // namespace

std::unique_ptr<Conv> make_conv_cpu(Device&, const ConvSpec& spec, const OpOptions& options) {
  return guarded("convolution", [&] { return std::make_unique<CpuConv>(spec, options); });
}

}  // namespace convoy
