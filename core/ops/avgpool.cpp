// The public entry of average pooling: checks the window and hands it to the device's implementation.
#include "core/ops/avgpool.hpp"

#include "core/base/error.hpp"

namespace convoy {

std::unique_ptr<AvgPool> make_avgpool(Device& device, const AvgPoolSpec& spec, const OpOptions& options) {
  const Padding& pad = spec.padding;
  const bool last_begins_inside = (spec.output[0] - 1) * spec.stride.h - pad.top < spec.input[0] &&
                                  (spec.output[1] - 1) * spec.stride.w - pad.left < spec.input[1];
  if (pad.top >= spec.kernel.h || pad.left >= spec.kernel.w || !last_begins_inside) {
    fail(ExitCode::internal, "avgpool F=", spec.kernel.h, "x", spec.kernel.w, " from ", spec.input.text(), " to ",
         spec.output.text(), ": some windows would hold no pixel");
  }
  return make_for(device, make_avgpool_cpu, make_avgpool_cuda, spec, options);
}

}  // namespace convoy
