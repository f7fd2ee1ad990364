// The public entry of convolution: checks the spec and hands it to the device's implementation.
#include "core/ops/conv.hpp"

#include "core/base/error.hpp"

namespace convoy {
namespace {

int64_t outputs(int64_t size, int64_t before, int64_t after, int64_t kernel, int64_t stride, int64_t dilation) {
  const int64_t room = size + before + after - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

}  // namespace

Shape ConvSpec::output() const {
  return {outputs(input[0], padding.top, padding.bottom, kernel.h, stride.h, dilation.h),
          outputs(input[1], padding.left, padding.right, kernel.w, stride.w, dilation.w), filters};
}

std::unique_ptr<Conv> make_conv(Device& device, const ConvSpec& spec, const OpOptions& options) {
  const bool grouped = spec.groups > 0 && spec.input[2] % spec.groups == 0 && spec.filters % spec.groups == 0;
  if (spec.input.rank() != 3 || !grouped || spec.output().count() == 0) {
    fail(ExitCode::internal, "convolution of ", spec.input.text(), " by ", spec.filters, " filters in ", spec.groups,
         " groups has no output; the layer must not ask for it");
  }
  return make_for(device, make_conv_cpu, make_conv_cuda, spec, options);
}

}  // namespace convoy
