// Says whether a GPU is there. The driver is loaded on demand, so nothing of CUDA is linked and a machine without a
// driver runs the same program.
#include <dlfcn.h>

#include <memory>

#include "core/base/error.hpp"
#include "core/device/device.hpp"

namespace convoy {
namespace {

// What is needed of the driver API; all return 0 for success.
using Initialise = int (*)(unsigned flags);
using CountDevices = int (*)(int* count);
using NameDevice = int (*)(char* name, int length, int device);

struct CloseLibrary {
  void operator()(void* library) const { dlclose(library); }
};

template <typename Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

}  // namespace

std::string cuda_unavailable_reason() {
  const std::unique_ptr<void, CloseLibrary> driver(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL));
  if (!driver) return "no NVIDIA driver on this machine (libcuda.so.1 cannot be loaded)";
  const auto initialise = symbol<Initialise>(driver.get(), "cuInit");
  const auto count_devices = symbol<CountDevices>(driver.get(), "cuDeviceGetCount");
  const auto name_device = symbol<NameDevice>(driver.get(), "cuDeviceGetName");
  if (!initialise || !count_devices || !name_device) return "the NVIDIA driver's libcuda.so.1 is not a CUDA driver";
  if (const int status = initialise(0)) return concat("the NVIDIA driver does not start (CUDA error ", status, ")");
  int count = 0;
  if (count_devices(&count) != 0 || count == 0) return "the NVIDIA driver finds no GPU";
  char name[128] = "GPU";
  name_device(name, sizeof name, 0);
  return concat("found ", count, " x ", name, ", but this version of Convoy trains on the CPU only");
}

std::unique_ptr<Device> make_cuda_device(int index) {
  fail(ExitCode::usage, "GPU ", index, " cannot be used: ", cuda_unavailable_reason(), "; use --backend cpu");
}

}  // namespace convoy
