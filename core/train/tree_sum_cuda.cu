// The tree of tree_sum.hpp on a GPU: one kernel reads each contribution once. Each thread takes four elements, or one
// where the memory is not aligned, and combines eight contributions at a time: whole subtrees, except for the last.
#include <algorithm>

#include "core/base/error.hpp"
#include "core/device/cuda.hpp"
#include "core/train/tree_sum.hpp"

namespace convoy {
namespace {

constexpr int most = most_tree_sum_contributions;
constexpr int width = 4;
constexpr int arity = 8;  // contributions that are combined at once
static_assert(arity * arity == most);

struct Contributions {
  const float* at[most];
};

__device__ float sum_of(float a, float b) {
  return a + b;
}
__device__ float4 sum_of(const float4& a, const float4& b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

/// Combines the first `count` level by level; an odd one left over passes up unchanged.
template <typename T>
__device__ T combine(T (&values)[arity], int count) {
#pragma unroll
  for (int distance = 1; distance < arity; distance *= 2) {
#pragma unroll
    for (int i = 0; i + distance < arity; i += 2 * distance) {
      if (i + distance < count) values[i] = sum_of(values[i], values[i + distance]);
    }
  }
  return values[0];
}

template <typename T>
__device__ void sum_element(float* result, const Contributions& contributions, int count, size_t i) {
  T subtrees[arity]{};
#pragma unroll
  for (int s = 0; s < arity; ++s) {
    if (s * arity >= count) break;
    T values[arity]{};
#pragma unroll
    for (int c = 0; c < arity; ++c) {
      if (s * arity + c < count) values[c] = reinterpret_cast<const T*>(contributions.at[s * arity + c])[i];
    }
    subtrees[s] = combine(values, count - s * arity);
  }
  reinterpret_cast<T*>(result)[i] = combine(subtrees, (count + arity - 1) / arity);
}

/// The first `fours` threads take four elements each, the others one of the rest.
__global__ void tree_sum_kernel(float* result, size_t size, size_t fours, Contributions contributions, int count) {
  const size_t thread = size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (thread < fours) {
    sum_element<float4>(result, contributions, count, thread);
  } else if (thread + fours * (width - 1) < size) {
    sum_element<float>(result, contributions, count, thread + fours * (width - 1));
  }
}

bool aligned(const float* memory) {
  return reinterpret_cast<uintptr_t>(memory) % sizeof(float4) == 0;
}

}  // namespace

void tree_sum_cuda(Device& device, std::span<float> result, std::span<const float* const> contributions) {
  if (result.empty()) return;
  if (contributions.empty() || contributions.size() > most) {
    fail(ExitCode::internal, "a GPU sums 1 to ", most, " contributions, not ", contributions.size());
  }
  Contributions all{};
  std::ranges::copy(contributions, all.at);
  const bool whole = aligned(result.data()) && std::ranges::all_of(contributions, aligned);
  const size_t fours = whole ? result.size() / width : 0, threads = result.size() - fours * (width - 1);
  cuda::launch(cuda::stream_of(device),
               static_cast<unsigned>((threads + cuda::block_threads - 1) / cuda::block_threads), cuda::block_threads,
               tree_sum_kernel, result.data(), result.size(), fours, all, static_cast<int>(contributions.size()));
}

}  // namespace convoy
