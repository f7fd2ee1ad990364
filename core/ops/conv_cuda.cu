// Which implementation a convolution on a GPU gets.
#include "core/ops/conv.hpp"
#include "core/ops/conv/depthwise.hpp"
#include "core/ops/conv/products.hpp"

namespace convoy {

std::unique_ptr<Conv> make_conv_cuda(Device& device, const ConvSpec& spec, const OpOptions& options) {
  if (is_depthwise(spec)) return make_conv_depthwise(device, spec, options);
  return make_conv_products(device, spec, options);
}

}  // namespace convoy
