// The profiler of CUDA on the CPU: where CUDA_ON_CPU_PROFILE names a file, each range that a thread opens or closes is
// a line of it, and so is where profiling starts and stops.
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/cuda_on_cpu/cuda_profiler_api.h"
#include "tests/support/cuda_on_cpu/nvtx3/nvToolsExt.h"

namespace {

thread_local std::vector<std::string> open_ranges;

void tell(const std::string& line) {
  static std::mutex mutex;
  static std::FILE* const file = [] {
    const char* path = std::getenv("CUDA_ON_CPU_PROFILE");
    return path ? std::fopen(path, "a") : nullptr;
  }();
  if (!file) return;
  const std::lock_guard lock(mutex);
  std::fprintf(file, "%s\n", line.c_str());
  std::fflush(file);
}

}  // namespace

int nvtxRangePushA(const char* message) {
  tell(std::string("begin ") + message);
  open_ranges.emplace_back(message);
  return static_cast<int>(open_ranges.size()) - 1;
}

int nvtxRangePop() {
  if (open_ranges.empty()) std::abort();
  tell("end " + open_ranges.back());
  open_ranges.pop_back();
  return static_cast<int>(open_ranges.size());
}

cudaError_t cudaProfilerStart() {
  tell("start");
  return cudaSuccess;
}

cudaError_t cudaProfilerStop() {
  tell("stop");
  return cudaSuccess;
}
