// How CUDA on the CPU runs a grid: a block's threads are fibers of the calling thread.
#pragma once

#include <cstddef>
#include <cstring>
#include <functional>

enum cudaError_t : int;

namespace cuda_on_cpu {

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
  constexpr size_t count() const { return size_t{x} * y * z; }
};

/// Of the running thread in its warp: 32 threads with neighbouring numbers.
int lane();

/// Waits for all other threads of the block, or of the warp, that have not ended. Threads that wait at different
/// places for ever end the program with a message.
void meet_block();
void meet_warp();

/// Where the threads of the running warp leave what they show each other: 16 bytes each.
std::byte* warp_slot(int lane);

/// What the given lane of the warp calls this with; one's own value where there is no such lane.
template <typename T>
T from_lane(T value, int source) {
  static_assert(sizeof(T) <= 16);
  std::memcpy(warp_slot(lane()), &value, sizeof value);
  meet_warp();
  if (source >= 0 && source < 32) std::memcpy(&value, warp_slot(source), sizeof value);
  meet_warp();
  return value;
}

/// Calls `kernel` once for each thread of the grid.
void run_grid(const dim3& grid, const dim3& block, const std::function<void()>& kernel);

struct Stream;
struct Event;
struct Graph;
/// Puts a grid at the end of the stream.
cudaError_t queue_grid(Stream* stream, const dim3& grid, const dim3& block, std::function<void()> kernel);

}  // namespace cuda_on_cpu
