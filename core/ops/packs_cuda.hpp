// What CUDA kernels over (N,H,W,C) share: packs of neighbouring channels that are read and written at once, quick
// division by numbers known before a launch, and parts of a batch small enough for 32-bit indices.
#pragma once

#include "core/device/cuda.hpp"
#include "core/device/fast_division.hpp"

namespace convoy::cuda {

/// Neighbouring elements, read and written in one access: 16 bytes of four floats.
template <typename T, int width>
struct alignas(sizeof(T) * width) Pack {
  T of[width];
};

template <int width, typename T>
__device__ inline Pack<T, width> load(const T* from) {
  return *reinterpret_cast<const Pack<T, width>*>(from);
}

template <int width, typename T>
__device__ inline void store(T* to, const Pack<T, width>& values) {
  *reinterpret_cast<Pack<T, width>*>(to) = values;
}

/// `to` = values, or += values where it accumulates.
template <int width>
__device__ inline void store(float* to, Pack<float, width> values, bool accumulate) {
  if (accumulate) {
    const Pack<float, width> before = load<width>(to);
    for (int k = 0; k < width; ++k) values.of[k] = before.of[k] + values.of[k];
  }
  store(to, values);
}

/// Whether packs of four can begin at all of these places.
template <typename... T>
bool packs_fit(const T*... places) {
  return ((reinterpret_cast<uintptr_t>(places) % (4 * sizeof(T)) == 0) && ...);
}

/// A pack of channels of a pixel.
struct Place {
  uint32_t image;
  int32_t row, column, channel;
};

/// Tells from a pack's number, counted over all images, where it is.
class Places {
 public:
  Places(int64_t rows, int64_t columns, int64_t channels, int width)
      : width_(width), packs_(channels / width), columns_(columns), rows_(rows) {}
  __device__ Place of(uint32_t i) const {
    const uint32_t pixel = packs_.quotient(i), line = columns_.quotient(pixel), image = rows_.quotient(line);
    return {image, static_cast<int32_t>(line - image * rows_.divisor()),
            static_cast<int32_t>(pixel - line * columns_.divisor()),
            static_cast<int32_t>(i - pixel * packs_.divisor()) * width_};
  }

 private:
  int32_t width_;
  FastDivision packs_, columns_, rows_;
};

/// The first index of the running thread, and how far it is to its next: kernels go over their work in strides.
__device__ inline uint32_t first_index() {
  return blockIdx.x * blockDim.x + threadIdx.x;
}
__device__ inline uint32_t index_stride() {
  return gridDim.x * blockDim.x;
}

/// f(first, count) for parts of `items`, as a rule a single one, whose elements are few enough for 32-bit indices.
template <typename Function>
void for_parts(int64_t items, int64_t elements_of_item, const Function& f) {
  const int64_t most = std::max<int64_t>(INT32_MAX / elements_of_item, 1);
  for (int64_t first = 0; first < items; first += most) f(first, std::min(most, items - first));
}

template <int width>
__global__ void copy_kernel(int64_t n, const float* from, float* to, bool adds) {
  const int64_t packs = n / width, stride = int64_t{gridDim.x} * blockDim.x;
  const int64_t first = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  for (int64_t i = first; i < packs; i += stride) store(to + i * width, load<width>(from + i * width), adds);
  const int64_t rest = packs * width + first;
  if (rest < n) store(to[rest], from[rest], adds);
}

/// to[i] = from[i], or += it.
inline void copy_or_add(cudaStream_t stream, int64_t n, const float* from, float* to, bool adds) {
  if (n == 0) return;
  const bool packed = packs_fit(from, to);
  launch(stream, blocks_for(packed ? n / 4 : n), block_threads, packed ? copy_kernel<4> : copy_kernel<1>, n, from, to,
         adds);
}

}  // namespace convoy::cuda
