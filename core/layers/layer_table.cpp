#include "core/layers/layer_table.hpp"

#include <algorithm>

#include "core/layers/conv.hpp"
#include "core/layers/fc.hpp"
#include "core/layers/input.hpp"
#include "core/layers/loss.hpp"
#include "core/layers/maxpool.hpp"
#include "core/layers/relu.hpp"
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
       .keys = {"K", "F", "S", "P", "D", "G", "bias", "fit", "init", "std", "value"},
       .help = "convolution: K filters, F extent, S stride, P padding, D dilation, G groups",
       .make = make<ConvLayer>},
      {.name = "fc",
       .keys = {"K", "bias", "init", "std", "value"},
       .help = "fully connected: K outputs",
       .make = make<FcLayer>},
      {.name = "relu", .help = "max(x, 0)", .make = make<ReluLayer>},
      {.name = "maxpool",
       .keys = {"F", "S", "P", "fit"},
       .help = "largest of each window: F extent, S stride, P padding",
       .make = make<MaxPoolLayer>},
      {.name = "softmax", .help = "probabilities", .make = make<SoftmaxLayer>},
      {.name = "loss", .takes_word = true, .help = "softmax: cross-entropy", .make = make<SoftmaxLossLayer>},
  };
  return table;
}

const LayerKind* find_layer_kind(std::string_view name) {
  const auto found = std::ranges::find(layer_table(), name, &LayerKind::name);
  return found == layer_table().end() ? nullptr : &*found;
}

}  // namespace convoy
