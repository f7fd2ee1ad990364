// Which device the tests of this program run on that are the same for all: the CPU, or with CONVOY_TEST_CUDA the first
// GPU. Linked with CUDA on the CPU (tests/support/cuda_on_cpu) there is always one.
#include "tests/support/tested_device.hpp"

namespace convoy::testing {

#if defined(CONVOY_TEST_CUDA)

std::unique_ptr<Device> make_tested_device() {
  return make_cuda_device(0);
}
std::string tested_device_missing() {
  return cuda_unavailable_reason();
}

#else

std::unique_ptr<Device> make_tested_device() {
  return make_cpu_device();
}
std::string tested_device_missing() {
  return "";
}

#endif

}  // namespace convoy::testing
