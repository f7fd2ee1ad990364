// Convolution on a GPU where every channel is a group of its own: too little work in each for matrix products.
#pragma once

#include "core/ops/conv.hpp"

namespace convoy {

/// Whether spec is such a one.
bool is_depthwise(const ConvSpec& spec);

std::unique_ptr<Conv> make_conv_depthwise(Device& device, const ConvSpec& spec, const OpOptions& options);

}  // namespace convoy
