#include "core/layers/layer_table.hpp"

#include <algorithm>

#include "core/layers/activation.hpp"
#include "core/layers/batchnorm.hpp"
#include "core/layers/conv.hpp"
#include "core/layers/dropout.hpp"
#include "core/layers/fc.hpp"
#include "core/layers/flatten.hpp"
#include "core/layers/input.hpp"
#include "core/layers/loss.hpp"
#include "core/layers/lrn.hpp"
#include "core/layers/merge.hpp"
#include "core/layers/pooling.hpp"
#include "core/layers/softmax.hpp"

namespace convoy {

namespace {

template <typename T>
std::unique_ptr<Layer> make(const Attributes& attributes) {
  return std::make_unique<T>(attributes);
}

}  // namespace

const std::vector<LayerKind>& layer_table() {
  static const std::vector<LayerKind> table{
      {.name = "input", .takes_word = true, .help = "the shape of one image, HxWxC", .make = make<InputLayer>},
      {.name = "conv",
       .keys = weighted_keys({"K", "F", "S", "P", "D", "G", "fit"}),
       .help = "convolution: K filters, F extent, S stride, P padding, D dilation, G groups",
       .make = make<ConvLayer>},
      {.name = "fc", .keys = weighted_keys({"K"}), .help = "fully connected: K outputs", .make = make<FcLayer>},
      {.name = "maxpool",
       .keys = {"F", "S", "P", "D", "fit"},
       .help = "largest of each window: F extent, S stride, P padding, D dilation",
       .make = make<MaxPoolLayer>},
      {.name = "avgpool",
       .keys = {"F", "S", "P", "fit", "pad"},
       .help = "mean of each window; pad=counted|not: whether padding counts",
       .make = make<AvgPoolLayer>},
      {.name = "globalavgpool", .help = "mean of each channel", .make = make<GlobalAvgPoolLayer>},
      {.name = "relu", .help = "max(x, 0)", .make = make<ActivationLayer<Activation::relu>>},
      {.name = "leakyrelu",
       .keys = {"slope"},
       .help = "x, or slope x where x < 0",
       .make = make<ActivationLayer<Activation::leaky_relu>>},
      {.name = "sigmoid", .help = "1 / (1 + exp(-x))", .make = make<ActivationLayer<Activation::sigmoid>>},
      {.name = "tanh", .help = "tanh(x)", .make = make<ActivationLayer<Activation::tanh>>},
      {.name = "lrn",
       .keys = {"n", "alpha", "beta", "k", "region"},
       .help = "local response normalisation: n channels, or n x n pixels with region=within",
       .make = make<LrnLayer>},
      {.name = "batchnorm",
       .keys = {"momentum", "epsilon", "rate", "decay"},
       .help = "batch normalisation per channel",
       .make = make<BatchNormLayer>},
      {.name = "dropout", .keys = {"p"}, .help = "drops elements with probability p", .make = make<DropoutLayer>},
      {.name = "add", .help = "sum of from=a,b", .make = make<AddLayer>},
      {.name = "concat", .help = "channels of from=a,b side by side", .make = make<ConcatLayer>},
      {.name = "flatten", .help = "an image as one row", .make = make<FlattenLayer>},
      {.name = "softmax", .help = "probabilities", .make = make<SoftmaxLayer>},
      {.name = "loss",
       .keys = {"class-weights", "smoothing", "margin", "squared", "mean"},
       .takes_word = true,
       .help = "softmax (cross-entropy), hinge (SVM) or mse (mean squared error)",
       .make = make<LossLayer>},
  };
  return table;
}

const LayerKind* find_layer_kind(std::string_view name) {
  const auto found = std::ranges::find(layer_table(), name, &LayerKind::name);
  return found == layer_table().end() ? nullptr : &*found;
}

}  // namespace convoy
