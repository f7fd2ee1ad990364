// Winograd's algorithm for convolutions of stride 1 with 3x3 and 5x5 kernels: 2 to 6 times fewer multiplications.
//
// Rounding errors are some 3 to 8 times those of a direct convolution (rms 2e-6 to 4e-6 of the outputs' deviation);
// points.hpp has the reasons.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/ops/conv/pass.hpp"

namespace convoy {

struct ConvKernels;
struct WinogradKernels;

namespace winograd {

/// The tile sizes there are for this spec, the one that needs the fewest multiplications first; none where Winograd's
/// algorithm doesn't apply.
std::vector<const WinogradKernels*> applicable(const ConvSpec& spec, const ConvKernels& kernels);

/// "winograd 4x4", after the tile of outputs.
std::string name_of(const WinogradKernels& winograd);

std::unique_ptr<ConvForward> make_forward(const ConvSpec& spec, const OpOptions& options, const ConvKernels& kernels,
                                          const WinogradKernels& winograd);
std::unique_ptr<ConvBackwardData> make_backward_data(const ConvSpec& spec, const OpOptions& options,
                                                     const ConvKernels& kernels, const WinogradKernels& winograd);
std::unique_ptr<ConvBackwardWeights> make_backward_weights(const ConvSpec& spec, const OpOptions& options,
                                                           const ConvKernels& kernels, const WinogradKernels& winograd);

}  // namespace winograd
}  // namespace convoy
