// The public entry of relu: hands it to the device's implementation.
#include "core/ops/relu.hpp"

namespace convoy {

std::unique_ptr<Relu> make_relu(Device& device, const ReluSpec& spec, const OpOptions& options) {
  return make_for(device, make_relu_cpu, make_relu_cuda, spec, options);
}

}  // namespace convoy
