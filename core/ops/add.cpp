// The public entry of the sum of tensors: hands it to the device's implementation.
#include "core/ops/add.hpp"

namespace convoy {

std::unique_ptr<Add> make_add(Device& device, const AddSpec& spec, const OpOptions& options) {
  return make_for(device, make_add_cpu, make_add_cuda, spec, options);
}

}  // namespace convoy
