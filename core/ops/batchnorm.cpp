// The public entry of batch normalisation: hands it to the device's implementation.
#include "core/ops/batchnorm.hpp"

namespace convoy {

std::unique_ptr<BatchNorm> make_batchnorm(Device& device, const BatchNormSpec& spec, const OpOptions& options) {
  return make_for(device, make_batchnorm_cpu, make_batchnorm_cuda, spec, options);
}

}  // namespace convoy
