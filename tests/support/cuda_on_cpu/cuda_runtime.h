// CUDA on the CPU: lets g++ compile Convoy's .cu files and run them without a GPU, so that kernels, their launches and
// the order of copies are tested wherever the tests are.
//
// A kernel is a function that is called once for each thread of the grid; blocks run one after another, and a block's
// threads as fibers that change places where they meet (__syncthreads, shuffles; see blocks.hpp). What is queued on a
// stream runs when somebody waits for it and no sooner, streams that nobody joins as late as possible, and memory of
// the "device" cannot be touched but by what runs there: code that forgets to wait or to copy is found out. There are
// no tensor cores and no libraries.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>

#include "tests/support/cuda_on_cpu/blocks.hpp"

// A block's shared memory: blocks run one at a time.
#define __shared__ static thread_local
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

using cuda_on_cpu::dim3;

/// Where the running thread of a kernel is.
extern constinit thread_local dim3 threadIdx, blockIdx, blockDim, gridDim;

inline void __syncthreads() {
  cuda_on_cpu::meet_block();
}
inline void __syncwarp(unsigned = ~0u) {
  cuda_on_cpu::meet_warp();
}

template <typename T>
T __shfl_sync(unsigned, T value, int source, int = 32) {
  return cuda_on_cpu::from_lane(value, source);
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask, int = 32) {
  return cuda_on_cpu::from_lane(value, cuda_on_cpu::lane() ^ mask);
}
template <typename T>
T __shfl_down_sync(unsigned, T value, unsigned distance, int = 32) {
  return cuda_on_cpu::from_lane(value, cuda_on_cpu::lane() + static_cast<int>(distance));
}

/// Vectors of four, as loads and stores of 16 bytes take them.
struct alignas(16) float4 {
  float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}

inline float __uint_as_float(unsigned bits) {
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}
inline unsigned __float_as_uint(float value) {
  unsigned out;
  std::memcpy(&out, &value, sizeof out);
  return out;
}
template <typename T>
T __ldg(const T* place) {
  return *place;
}
inline float rsqrtf(float x) {
  return 1.0f / std::sqrt(x);
}

enum cudaError_t : int {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorNotReady = 600,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
constexpr unsigned cudaStreamNonBlocking = 1;
constexpr unsigned cudaHostRegisterDefault = 0;
constexpr unsigned cudaEventDisableTiming = 2;
enum cudaDeviceAttr {
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
};

using cudaStream_t = cuda_on_cpu::Stream*;
using cudaEvent_t = cuda_on_cpu::Event*;
using cudaGraph_t = cuda_on_cpu::Graph*;
using cudaGraphExec_t = cuda_on_cpu::Graph*;
using cudaGraphNode_t = void*;
enum cudaStreamCaptureMode { cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal };

struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount;
  size_t totalGlobalMem;
};

const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);

cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMallocHost(void** memory, size_t bytes);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaHostRegister(void* memory, size_t bytes, unsigned flags);
cudaError_t cudaHostUnregister(void* memory);
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventQuery(cudaEvent_t event);

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  void* attrs = nullptr;
  unsigned numAttrs = 0;
};

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  const dim3 grid = config->gridDim, block = config->blockDim;
  // By value, as a launch takes them.
  auto call = [kernel, ... values = std::decay_t<Parameters>(arguments)] { kernel(values...); };
  return cuda_on_cpu::queue_grid(config->stream, grid, block, call);
}
