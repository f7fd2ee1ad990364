// The public entry of activation functions: checks the spec and hands it to the device's implementation.
#include "core/ops/activation.hpp"

#include "core/base/error.hpp"

namespace convoy {

std::unique_ptr<ActivationOp> make_activation(Device& device, const ActivationSpec& spec, const OpOptions& options) {
  // A negative slope would make a result's sign say nothing about its input's.
  if (spec.function == Activation::none || !(spec.slope >= 0)) {
    fail(ExitCode::internal, "an activation op of function ", static_cast<int>(spec.function), " and slope ",
         spec.slope, ": it takes a function, and a slope that is not negative");
  }
  return make_for(device, make_activation_cpu, make_activation_cuda, spec, options);
}

}  // namespace convoy
