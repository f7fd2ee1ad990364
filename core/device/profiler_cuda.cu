// Ranges by NVTX, which looks for a profiler itself when it is first called.
#include <cuda_profiler_api.h>
#include <nvtx3/nvToolsExt.h>

#include <cstdio>

#include "core/device/profiler.hpp"

namespace convoy {

ProfilerRange::ProfilerRange(const char* name) {
  nvtxRangePushA(name);
}

ProfilerRange::ProfilerRange(const char* what, int64_t number) {
  char name[48];
  std::snprintf(name, sizeof name, "%s %lld", what, static_cast<long long>(number));
  nvtxRangePushA(name);
}

ProfilerRange::~ProfilerRange() {
  nvtxRangePop();
}

// A run goes on without a profiler.
void start_profiler() {
  if (cudaProfilerStart() != cudaSuccess) cudaGetLastError();
}

void stop_profiler() {
  if (cudaProfilerStop() != cudaSuccess) cudaGetLastError();
}

}  // namespace convoy
