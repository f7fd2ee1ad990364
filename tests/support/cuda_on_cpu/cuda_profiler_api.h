// The part of CUDA's runtime that profilers listen to.
#pragma once

#include "tests/support/cuda_on_cpu/cuda_runtime.h"

cudaError_t cudaProfilerStart();
cudaError_t cudaProfilerStop();
