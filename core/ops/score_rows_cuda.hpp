// Rows of scores on a GPU: what softmax, the losses and scoring share. A warp takes a row, or a whole block where there
// are many classes.
#pragma once

#include <climits>
#include <cmath>
#include <cstdint>

#include "core/device/cuda.hpp"

namespace convoy::cuda {

/// Classes from which on a row has a block.
constexpr int64_t many_classes = 256;

/// The first highest score of a row; below all others while there is none.
struct Top {
  float value = -INFINITY;
  int place = INT_MAX;
};

__device__ inline Top higher(const Top& a, const Top& b) {
  return b.value > a.value || (b.value == a.value && b.place < a.place) ? b : a;
}

/// One of the threads that share a row. What they add up all of them get, in the same order every time.
template <unsigned threads>
class RowThread {
 public:
  __device__ RowThread() : place_(static_cast<int>(threadIdx.x % threads)) {}

  __device__ bool first() const { return place_ == 0; }

  /// f(k) for this thread's share of the classes.
  template <typename Function>
  __device__ void each(int classes, const Function& f) const {
    for (int k = place_; k < classes; k += static_cast<int>(threads)) f(k);
  }

  __device__ double sum(double value) const {
    for (int mask = warp / 2; mask > 0; mask /= 2) value += __shfl_xor_sync(~0u, value, mask);
    if constexpr (threads > warp) {
      __shared__ double of_warps[threads / warp];
      if (place_ % warp == 0) of_warps[place_ / warp] = value;
      __syncthreads();
      value = of_warps[0];
      for (unsigned w = 1; w < threads / warp; ++w) value += of_warps[w];
      __syncthreads();
    }
    return value;
  }

  /// NaN is left out: a row of nothing else has the Top that there is at the beginning.
  __device__ Top top(int classes, const float* x) const {
    Top top;
    each(classes, [&](int k) { top = higher(top, {x[k], k}); });
    for (int mask = warp / 2; mask > 0; mask /= 2) {
      top = higher(top, {__shfl_xor_sync(~0u, top.value, mask), __shfl_xor_sync(~0u, top.place, mask)});
    }
    if constexpr (threads > warp) {
      __shared__ float values[threads / warp];
      __shared__ int places[threads / warp];
      if (place_ % warp == 0) values[place_ / warp] = top.value, places[place_ / warp] = top.place;
      __syncthreads();
      for (unsigned w = 0; w < threads / warp; ++w) top = higher(top, {values[w], places[w]});
      __syncthreads();
    }
    return top;
  }

 private:
  static constexpr int warp = 32;
  int place_;
};

template <unsigned threads, typename Function>
__global__ void rows_kernel(int64_t rows, Function f) {
  constexpr unsigned abreast = block_threads / threads;
  const RowThread<threads> thread;
  const int64_t stride = int64_t{gridDim.x} * abreast;
  for (int64_t n = int64_t{blockIdx.x} * abreast + threadIdx.x / threads; n < rows; n += stride) f(thread, n);
}

/// f(thread, n) for every row, by all threads that share it; f is called with RowThreads of several kinds.
template <typename Function>
void for_score_rows(cudaStream_t stream, int64_t rows, int64_t classes, const Function& f) {
  if (rows == 0) return;
  if (classes < many_classes) {
    launch(stream, blocks_for(rows * 32), block_threads, rows_kernel<32, Function>, rows, f);
  } else {
    launch(stream, blocks_for(rows * block_threads), block_threads, rows_kernel<block_threads, Function>, rows, f);
  }
}

}  // namespace convoy::cuda
