// Marks what the CPU and a GPU's kernels have in common.
#pragma once

#if defined(__CUDACC__)
#define CONVOY_HOST_DEVICE __host__ __device__
#else
#define CONVOY_HOST_DEVICE
#endif
