// The public entry of dropout: checks the probability and hands it to the device's implementation.
#include "core/ops/dropout.hpp"

#include "core/base/error.hpp"

namespace convoy {

std::unique_ptr<Dropout> make_dropout(Device& device, const DropoutSpec& spec, const OpOptions& options) {
  if (!(spec.p >= 0 && spec.p < 1)) fail(ExitCode::internal, "dropout p=", spec.p, ": p must lie in [0, 1)");
  return make_for(device, make_dropout_cpu, make_dropout_cuda, spec, options);
}

}  // namespace convoy
