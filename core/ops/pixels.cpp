// The public entry of pixel conversion: checks the spec and hands it to the device's implementation.
#include "core/ops/pixels.hpp"

#include "core/base/error.hpp"

namespace convoy {

std::unique_ptr<Pixels> make_pixels(Device& device, const PixelsSpec& spec, const OpOptions& options) {
  const size_t channels = static_cast<size_t>(spec.input[2]);
  if ((spec.dtype != DType::u8 && spec.dtype != DType::f32) || spec.mean.size() != channels ||
      spec.scale.size() != channels) {
    fail(ExitCode::internal, "pixels of ", spec.input.text(), ", ", name_of(spec.dtype), ", with ", spec.mean.size(),
         " means and ", spec.scale.size(), " scales: it takes uint8 or fp32 and one of each per channel");
  }
  return make_for(device, make_pixels_cpu, make_pixels_cuda, spec, options);
}

}  // namespace convoy
