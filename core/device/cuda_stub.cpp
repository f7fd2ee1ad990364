// Stands in for what CUDA does where no CUDA toolkit was found.
#include "core/base/error.hpp"
#include "core/device/device.hpp"
#include "core/device/profiler.hpp"

namespace convoy {

std::string cuda_unavailable_reason() {
  return "built without CUDA: install the CUDA toolkit and configure with -DCONVOY_CUDA=ON";
}

int cuda_device_count() {
  return 0;
}

bool built_with_cuda() {
  return false;
}

std::unique_ptr<Device> make_cuda_device(int /*index*/) {
  fail(ExitCode::usage, "no GPU can be used: ", cuda_unavailable_reason(), "; or use --backend cpu");
}

ProfilerRange::ProfilerRange(const char* /*name*/) {}
ProfilerRange::ProfilerRange(const char* /*what*/, int64_t /*number*/) {}
ProfilerRange::~ProfilerRange() = default;

void start_profiler() {}
void stop_profiler() {}

}  // namespace convoy
