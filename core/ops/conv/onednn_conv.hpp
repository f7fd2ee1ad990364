// A convolution's passes on oneDNN: plain NHWC activations, weights in the layout each primitive likes best.
//
// With OpOptions::compute bf16, images and weights are brought to bf16 in scratch and in the packed memory, products
// are summed in fp32 and results are fp32.
#pragma once

#include <memory>

#include "core/ops/conv/pass.hpp"

namespace convoy::onednn {

// Each throws Error(internal) if oneDNN has only its reference code for the pass (see checked()).
std::unique_ptr<ConvForward> make_forward(const ConvSpec& spec, const OpOptions& options);
std::unique_ptr<ConvBackwardData> make_backward_data(const ConvSpec& spec, const OpOptions& options);
std::unique_ptr<ConvBackwardWeights> make_backward_weights(const ConvSpec& spec, const OpOptions& options);

}  // namespace convoy::onednn
