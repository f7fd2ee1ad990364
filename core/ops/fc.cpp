// The public entry of the fully connected layer: hands it to the device's implementation.
#include "core/ops/fc.hpp"

namespace convoy {

std::unique_ptr<Fc> make_fc(Device& device, const FcSpec& spec, const OpOptions& options) {
  return make_for(device, make_fc_cpu, make_fc_cuda, spec, options);
}

}  // namespace convoy
