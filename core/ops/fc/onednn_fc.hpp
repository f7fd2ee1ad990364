// The fully connected layer on oneDNN: for processors that have no kernels of our own.
#pragma once

#include <memory>

#include "core/ops/fc.hpp"

namespace convoy::fc {

/// fp32 only.
std::unique_ptr<Fc> make_onednn_fc(const FcSpec& spec, const OpOptions& options);

}  // namespace convoy::fc
