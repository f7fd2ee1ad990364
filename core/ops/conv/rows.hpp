// Convolution as matrix products over image rows: a window's row lies in one piece in an NHWC image, so windows are
// multiplied where they are and nothing is unrolled. Its backward passes are faster than oneDNN's on NHWC.
#pragma once

#include <memory>

#include "core/ops/conv/pass.hpp"

namespace convoy {

struct ConvKernels;

namespace rows {

/// Any stride; one group, no dilation across the row.
bool applies(const ConvSpec& spec);
/// Stride 1, no dilation, padding within the kernel as well.
bool applies_backward_data(const ConvSpec& spec);

std::unique_ptr<ConvForward> make_forward(const ConvSpec& spec, const OpOptions& options, const ConvKernels& kernels);
std::unique_ptr<ConvBackwardData> make_backward_data(const ConvSpec& spec, const OpOptions& options,
                                                     const ConvKernels& kernels);
std::unique_ptr<ConvBackwardWeights> make_backward_weights(const ConvSpec& spec, const OpOptions& options,
                                                           const ConvKernels& kernels);

}  // namespace rows
}  // namespace convoy
