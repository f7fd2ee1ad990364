// The public entry of softmax: hands it to the device's implementation.
#include "core/ops/softmax.hpp"

namespace convoy {

std::unique_ptr<Softmax> make_softmax(Device& device, const SoftmaxSpec& spec, const OpOptions& options) {
  return make_for(device, make_softmax_cpu, make_softmax_cuda, spec, options);
}

}  // namespace convoy
