// What can be asked of oneDNN without including it.
#pragma once

#include <string>

namespace convoy::onednn {

/// The instruction set it uses on this processor and its version: "avx512_core_bf16, oneDNN 2.6.3".
std::string describe_library();

}  // namespace convoy::onednn
