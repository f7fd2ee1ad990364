// The public entry of max pooling: checks the window and hands it to the device's implementation.
#include "core/ops/maxpool.hpp"

#include "core/base/error.hpp"

namespace convoy {

std::unique_ptr<MaxPool> make_maxpool(Device& device, const MaxPoolSpec& spec, const OpOptions& options) {
  const Extent2& k = spec.kernel;
  if (k.h * k.w > 256) {
    fail(ExitCode::usage, "maxpool F=", k.h, "x", k.w, ": a window of ", k.h * k.w,
         " elements is too large, at most 256 (16x16) are supported; use a smaller window");
  }
  return make_for(device, make_maxpool_cpu, make_maxpool_cuda, spec, options);
}

}  // namespace convoy
