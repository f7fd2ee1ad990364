// The public entry of concatenation: hands it to the device's implementation.
#include "core/ops/concat.hpp"

namespace convoy {

std::unique_ptr<Concat> make_concat(Device& device, const ConcatSpec& spec, const OpOptions& options) {
  return make_for(device, make_concat_cpu, make_concat_cuda, spec, options);
}

}  // namespace convoy
