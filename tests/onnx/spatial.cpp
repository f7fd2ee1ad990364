// Convolution, pooling and normalisation. One-dimensional images are images one pixel high.
#include <algorithm>

#include "core/layers/attributes.hpp"
#include "core/ops/avgpool.hpp"
#include "core/ops/batchnorm.hpp"
#include "core/ops/conv.hpp"
#include "core/ops/lrn.hpp"
#include "core/ops/maxpool.hpp"
#include "tests/onnx/operators.hpp"

namespace convoy::onnx {

namespace {

/// Images (N,C,H,W) or (N,C,W), and their pixels as Convoy wants them.
struct Images {
  Images(const Tensor& tensor) : axis(tensor.dims, 1), rank(tensor.rank()) {
    if (rank != 3 && rank != 4) throw Unsupported(std::to_string(rank - 2) + "-D images");
    shape = {rank == 4 ? tensor.dims[2] : 1, tensor.dims.back(), axis.channels};
    pixels = channels_last(tensor.reals, axis);
  }
  int64_t batch() const { return axis.outer; }

  /// A result (N, shape) in ONNX's layout.
  Tensor tensor(const Shape& of, const std::vector<float>& values) const {
    const Dims dims = rank == 4 ? Dims{batch(), of[2], of[0], of[1]} : Dims{batch(), of[2], of[1]};
    return real_tensor(dims, channels_first(values, Axis(dims, 1)));
  }

  Axis axis;
  size_t rank;
  Shape shape;  // (H, W, C)
  std::vector<float> pixels;
};

Extent2 extent(const Dims& values) {
  return values.size() == 1 ? Extent2{1, values[0]} : Extent2{values[0], values[1]};
}

struct Window {
  Extent2 kernel, stride, dilation;
  Padding padding;
  Extent2 outputs;
};

/// auto_pad=SAME_*: as many outputs as strides fit; what cannot be halved goes to the end (UPPER) or the start.
void pad_same(int64_t size, int64_t reach, int64_t stride, bool upper, int64_t& before, int64_t& after) {
  const int64_t outputs = (size + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((outputs - 1) * stride + reach - size, 0);
  before = upper ? total / 2 : total - total / 2;
  after = total - before;
}

Window read_window(const Call& call, const Images& images, const Dims& kernel_shape) {
  const size_t spatial = images.rank - 2;
  const Dims ones(spatial, 1);
  const Dims pads = call.integers("pads", Dims(2 * spatial, 0));
  Window w{.kernel = extent(kernel_shape),
           .stride = extent(call.integers("strides", ones)),
           .dilation = extent(call.integers("dilations", ones))};
  w.padding = spatial == 1 ? Padding{0, pads[0], 0, pads[1]} : Padding{pads[0], pads[1], pads[2], pads[3]};
  const Extent2 reach{w.dilation.h * (w.kernel.h - 1) + 1, w.dilation.w * (w.kernel.w - 1) + 1};
  const std::string automatic = call.text("auto_pad", "NOTSET");
  if (automatic == "VALID") w.padding = {};
  if (automatic.starts_with("SAME")) {
    const bool upper = automatic == "SAME_UPPER";
    pad_same(images.shape[0], reach.h, w.stride.h, upper, w.padding.top, w.padding.bottom);
    pad_same(images.shape[1], reach.w, w.stride.w, upper, w.padding.left, w.padding.right);
  }
  const Fit fit = call.integer("ceil_mode", 0) ? Fit::ceil : Fit::floor;
  w.outputs = {
      window_outputs(images.shape[0], w.padding.top, w.padding.bottom, w.kernel.h, w.stride.h, w.dilation.h, fit),
      window_outputs(images.shape[1], w.padding.left, w.padding.right, w.kernel.w, w.stride.w, w.dilation.w, fit)};
  return w;
}

void conv(Call& call) {
  const Images images(call.real(0));
  const Tensor& weight = call.real(1);  // (K, C/groups, R, S)
  const Window w = read_window(call, images, {weight.dims.begin() + 2, weight.dims.end()});
  const ConvSpec spec{.input = images.shape,
                      .filters = weight.dims[0],
                      .kernel = w.kernel,
                      .stride = w.stride,
                      .dilation = w.dilation,
                      .padding = w.padding,
                      .groups = call.integer("group", 1),
                      .bias = call.has(2),
                      .input_gradient = false};
  const auto op = make_conv(cpu(), spec, {.batch = images.batch()});
  const Workspace packed(op->packed_bytes()), scratch(op->scratch_bytes());
  op->attach(packed.data());
  op->refresh_weights(channels_last(weight.reals, Axis(weight.dims, 1)).data());
  std::vector<float> y(images.batch() * spec.output().count());
  op->forward(scratch.context(), images.pixels.data(), spec.bias ? call.real(2).reals.data() : nullptr, y.data());
  call.outputs[0] = images.tensor(spec.output(), y);
}

template <typename Spec>
Spec pool_spec(const Window& w, const Images& images) {
  return {.input = images.shape,
          .output = {w.outputs.h, w.outputs.w, images.shape[2]},
          .kernel = w.kernel,
          .stride = w.stride,
          .padding = w.padding};
}

Window whole_image(const Images& images) {
  return {.kernel = {images.shape[0], images.shape[1]}, .stride = {1, 1}, .dilation = {1, 1}, .outputs = {1, 1}};
}

/// Where each output came from, told by the one pixel to which backward passes a gradient of 1. ONNX counts pixels of
/// the whole (N,C,H,W) input, in columns first where storage_order is 1.
std::vector<float> sources(MaxPool& op, const OpContext& context, const Images& images, size_t outputs,
                           const void* argmax, bool columns_first) {
  std::vector<float> dy(outputs), dx(images.pixels.size()), found(outputs);
  const int64_t h = images.shape[0], w = images.shape[1], c = images.shape[2];
  for (size_t i = 0; i < outputs; ++i) {
    dy[i] = 1;
    op.backward(context, dy.data(), argmax, dx.data(), Write::overwrite);
    dy[i] = 0;
    const int64_t at = std::ranges::find(dx, 1.0f) - dx.begin();  // of (N,H,W,C)
    const int64_t channel = at % c, x = at / c % w, y = at / c / w % h, n = at / c / w / h;
    const int64_t pixel = columns_first ? x * h + y : y * w + x;
    found[i] = static_cast<float>((n * c + channel) * h * w + pixel);
  }
  return found;
}

void max_pool(Call& call, const Images& images, const Window& window) {
  auto spec = pool_spec<MaxPoolSpec>(window, images);
  spec.dilation = window.dilation;
  if (!every_window_holds_a_pixel(spec)) throw Unsupported("windows without a pixel");
  if (spec.kernel.h * spec.kernel.w > 255) throw Unsupported("windows of more than 255 pixels");
  const auto op = make_maxpool(cpu(), spec, {.batch = images.batch()});
  const Workspace argmax(op->argmax_bytes());
  std::vector<float> y(images.batch() * spec.output.count());
  op->forward({}, images.pixels.data(), y.data(), argmax.data());
  call.outputs[0] = images.tensor(spec.output, y);
  if (!call.wants(1)) return;
  const bool columns_first = call.integer("storage_order", 0) == 1;
  const Tensor from = images.tensor(spec.output, sources(*op, {}, images, y.size(), argmax.data(), columns_first));
  call.outputs[1] = integer_tensor(from.dims, {from.reals.begin(), from.reals.end()});
}

void average_pool(Call& call, const Images& images, const Window& window) {
  if (window.dilation != Extent2{1, 1}) throw Unsupported("dilated averages");
  auto spec = pool_spec<AvgPoolSpec>(window, images);
  spec.divisor = call.integer("count_include_pad", 0) ? PoolDivisor::counted : PoolDivisor::inside;
  const auto op = make_avgpool(cpu(), spec, {.batch = images.batch()});
  std::vector<float> y(images.batch() * spec.output.count());
  op->forward({}, images.pixels.data(), y.data());
  call.outputs[0] = images.tensor(spec.output, y);
}

template <void (*pool)(Call&, const Images&, const Window&)>
void windows(Call& call) {
  const Images images(call.real(0));
  pool(call, images, read_window(call, images, call.integers("kernel_shape", {})));
}

template <void (*pool)(Call&, const Images&, const Window&)>
void whole(Call& call) {
  const Images images(call.real(0));
  pool(call, images, whole_image(images));
}

void lrn(Call& call) {
  const Images images(call.real(0));
  const LrnSpec spec{.input = images.shape,
                     .n = call.integer("size", 1),
                     .alpha = call.number("alpha", 1e-4f),
                     .beta = call.number("beta", 0.75f),
                     .k = call.number("bias", 1)};
  const auto op = make_lrn(cpu(), spec, {.batch = images.batch()});
  const Workspace scratch(op->scratch_bytes());
  std::vector<float> y(images.pixels.size());
  op->forward(scratch.context(), images.pixels.data(), y.data());
  call.outputs[0] = images.tensor(images.shape, y);
}

/// running * momentum + (1 - momentum) * newest: ONNX's momentum is the weight of what was, Convoy's of what is new.
Tensor running(const Tensor& before, const std::vector<float>& newest, float momentum) {
  Tensor out = before;
  for (size_t i = 0; i < newest.size(); ++i) out.reals[i] = before.reals[i] * momentum + newest[i] * (1 - momentum);
  return out;
}

void batch_normalization(Call& call) {
  const Tensor& x = call.real(0);
  const Axis axis(x.dims, 1);
  const auto op =
      make_batchnorm(cpu(), {.pixels = axis.inner, .channels = axis.channels, .epsilon = call.number("epsilon", 1e-5f)},
                     {.batch = axis.outer});
  const Workspace scratch(op->scratch_bytes());
  const std::vector<float> pixels = channels_last(x.reals, axis);
  std::vector<float> y(pixels.size());
  const float *weight = call.real(1).reals.data(), *bias = call.real(2).reals.data();
  if (call.integer("training_mode", 0)) {
    std::vector<float> mean(axis.channels), variance(axis.channels);
    op->forward_training(scratch.context(), pixels.data(), weight, bias, y.data(), {mean.data(), variance.data()});
    const float momentum = call.number("momentum", 0.9f);
    if (call.wants(1)) call.outputs[1] = running(call.real(3), mean, momentum);
    if (call.wants(2)) call.outputs[2] = running(call.real(4), variance, momentum);
  } else {
    op->forward_inference(scratch.context(), pixels.data(), weight, bias, call.real(3).reals.data(),
                          call.real(4).reals.data(), y.data());
  }
  call.outputs[0] = real_tensor(x.dims, channels_first(y, axis));
}

}  // namespace

OperatorTable spatial_operators() {
  return {{"Conv", conv},
          {"MaxPool", windows<max_pool>},
          {"AveragePool", windows<average_pool>},
          {"GlobalMaxPool", whole<max_pool>},
          {"GlobalAveragePool", whole<average_pool>},
          {"LRN", lrn},
          {"BatchNormalization", batch_normalization}};
}

}  // namespace convoy::onnx
