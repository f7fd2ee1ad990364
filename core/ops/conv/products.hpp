// Convolution on a GPU by matrix products: for every kernel, padding, stride, dilation and number of groups.
#pragma once

#include "core/ops/conv.hpp"

namespace convoy {

/// `columns_limit`: bytes that the images' columns (see ConvColumns) may take; where there are more, images are taken
/// in turns, but at least one at a time.
std::unique_ptr<Conv> make_conv_products(Device& device, const ConvSpec& spec, const OpOptions& options,
                                         size_t columns_limit = size_t{256} << 20);

}  // namespace convoy
