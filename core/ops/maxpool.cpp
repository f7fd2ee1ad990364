// The public entry of max pooling: checks the window and hands it to the device's implementation.
#include "core/ops/maxpool.hpp"

#include "core/base/error.hpp"
#include "core/ops/channels_cpu.hpp"

namespace convoy {

bool every_window_holds_a_pixel(const MaxPoolSpec& spec) {
  const auto one_way = [](int64_t outputs, int64_t stride, int64_t pad, int64_t kernel, int64_t dilation,
                          int64_t size) {
    for (int64_t i = 0; i < outputs; ++i) {
      const cpu::WindowSpan window(i, stride, pad, kernel, dilation, size);
      if (window.begin >= window.end) return false;
    }
    return true;
  };
  const Extent2 &k = spec.kernel, &s = spec.stride, &d = spec.dilation;
  return one_way(spec.output[0], s.h, spec.padding.top, k.h, d.h, spec.input[0]) &&
         one_way(spec.output[1], s.w, spec.padding.left, k.w, d.w, spec.input[1]);
}

std::unique_ptr<MaxPool> make_maxpool(Device& device, const MaxPoolSpec& spec, const OpOptions& options) {
  const Extent2& k = spec.kernel;
  if (k.h * k.w > 255) {
    fail(ExitCode::usage, "maxpool F=", k.h, "x", k.w, ": a window of ", k.h * k.w,
         " elements is too large, at most 255 are supported; use a smaller window");
  }
  if (!every_window_holds_a_pixel(spec)) {
    fail(ExitCode::internal, "maxpool of ", spec.input.text(), ", F=", k.h, "x", k.w, ": a window holds no pixel");
  }
  return make_for(device, make_maxpool_cpu, make_maxpool_cuda, spec, options);
}

}  // namespace convoy
