// What CUDA sources share: checked calls, a device's stream, launches. They are compiled by nvcc, and for tests by the
// host's compiler (tests/support/cuda_on_cpu): launches are calls of a function, not <<<>>>.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>

#include "core/device/device.hpp"

namespace convoy::cuda {

/// Throws Error(internal) when a call of CUDA failed, saying what was tried and CUDA's reason.
void check(cudaError_t status, const char* what);

/// The stream on which the ops of a CUDA device run.
cudaStream_t stream_of(const Device& device);

/// Copies beside what is queued on a stream.
std::unique_ptr<Copier> make_copier(cudaStream_t stream);
std::unique_ptr<Feeder> make_feeder(cudaStream_t stream);

/// Recordings of what is queued on a stream.
std::unique_ptr<Recorder> make_recorder(cudaStream_t stream);

constexpr unsigned block_threads = 256;

/// Blocks of block_threads for n elements, at most as many as fill any GPU: kernels go on in strides.
inline unsigned blocks_for(int64_t n) {
  constexpr int64_t most = 132 * 16;
  return static_cast<unsigned>(std::clamp<int64_t>((n + block_threads - 1) / block_threads, 1, most));
}

template <typename... Parameters, typename... Arguments>
void launch(cudaStream_t stream, dim3 blocks, dim3 threads, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), "launch a kernel");
}

template <typename Function>
__global__ void each_kernel(int64_t n, Function f) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) f(i);
}

/// Calls f(i), a __device__ lambda that captures by value, for every i in [0, n).
template <typename Function>
void for_each(cudaStream_t stream, int64_t n, const Function& f) {
  if (n > 0) launch(stream, blocks_for(n), block_threads, each_kernel<Function>, n, f);
}

/// `into` = value, or += value where it accumulates.
__device__ inline void store(float& into, float value, bool accumulate) {
  into = accumulate ? into + value : value;
}

}  // namespace convoy::cuda
