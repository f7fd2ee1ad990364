// The runtime of CUDA on the CPU: memory that only queued work may touch, streams that run when they are waited for.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/support/cuda_on_cpu/cuda_runtime.h"

namespace cuda_on_cpu {

/// What a stream was given while it was captured.
struct Graph {
  std::vector<std::function<void()>> work;
  bool valid = true;
};

struct Stream {
  std::deque<std::function<void()>> work;
  size_t queued = 0, done = 0;
  std::unique_ptr<Graph> captured;  // while it is
};

/// A point of a stream.
struct Event {
  std::shared_ptr<Stream> stream;
  size_t at = 0;
};

namespace {

struct Mapping {
  void* begin = nullptr;
  size_t bytes = 0;  // a page of the mapping more, behind, that nobody may touch
};

std::recursive_mutex mutex;
std::map<const void*, Mapping> device_memory;  // by the address given out
std::map<const void*, size_t> host_memory;     // page-locked
std::map<Stream*, std::shared_ptr<Stream>> streams;
int open_doors = 0;

/// The device's memory can be touched while one of these lives.
class Door {
 public:
  Door() {
    if (open_doors++ == 0) protect(PROT_READ | PROT_WRITE);
  }
  ~Door() {
    if (--open_doors == 0) protect(PROT_NONE);
  }
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

 private:
  static void protect(int access) {
    for (const auto& [address, mapping] : device_memory) mprotect(mapping.begin, mapping.bytes, access);
  }
};

size_t pages(size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

bool page_locked(const void* memory) {
  const auto after = host_memory.upper_bound(memory);
  if (after == host_memory.begin()) return false;
  const auto& [begin, bytes] = *std::prev(after);
  return static_cast<const std::byte*>(memory) < static_cast<const std::byte*>(begin) + bytes;
}

void run_to(Stream& stream, size_t end) {
  const Door door;
  while (stream.done < end) {
    const std::function<void()> next = std::move(stream.work.front());
    stream.work.pop_front();
    ++stream.done;
    next();
  }
}

cudaError_t queue(Stream* stream, std::function<void()> work) {
  const std::lock_guard lock(mutex);
  if (!streams.contains(stream)) {
    std::fprintf(stderr, "CUDA on the CPU: work for a stream that does not exist\n");
    std::abort();
  }
  if (stream->captured) {
    stream->captured->work.push_back(std::move(work));
    return cudaSuccess;
  }
  stream->work.push_back(std::move(work));
  ++stream->queued;
  return cudaSuccess;
}

/// What must not be done to a stream that is captured spoils the capture.
bool refused(Stream& stream) {
  if (!stream.captured) return false;
  stream.captured->valid = false;
  return true;
}

/// Nor anything that waits for the device while any stream is captured; it is not asked by which thread.
bool refused_by_any() {
  bool any = false;
  for (const auto& [key, stream] : streams) any = refused(*stream) || any;
  return any;
}

}  // namespace

cudaError_t queue_grid(Stream* stream, const dim3& grid, const dim3& block, std::function<void()> kernel) {
  // The limits of compute capability 8.0 and 9.0.
  const bool fits = grid.count() > 0 && grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535 &&
                    block.count() > 0 && block.count() <= 1024 && block.z <= 64;
  if (!fits) return cudaErrorInvalidValue;
  return queue(stream, [=, kernel = std::move(kernel)] { run_grid(grid, block, kernel); });
}

}  // namespace cuda_on_cpu

using namespace cuda_on_cpu;

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    default: return "an error";
  }
}

cudaError_t cudaGetLastError() {
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return device == 0 ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {.name = "CUDA on the CPU", .major = 0, .minor = 0, .multiProcessorCount = 2, .totalGlobalMem = 0};
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMultiProcessorCount ? 2 : 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int) {
  std::snprintf(text, static_cast<size_t>(length), "0000:00:00.0");
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = *total = size_t{8} << 30;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  const std::lock_guard lock(mutex);
  if (refused_by_any()) return cudaErrorStreamCaptureUnsupported;
  constexpr size_t alignment = 256;
  if (bytes > size_t{64} << 30) return cudaErrorMemoryAllocation;
  const size_t used = (bytes + alignment - 1) / alignment * alignment, mapped = pages(used);
  const size_t guard = pages(1);
  void* begin = mmap(nullptr, mapped + guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (begin == MAP_FAILED) return cudaErrorMemoryAllocation;
  // Ends where the guard begins.
  *memory = static_cast<std::byte*>(begin) + (mapped - used);
  mprotect(begin, mapped, PROT_READ | PROT_WRITE);
  std::memset(begin, 0xFF, mapped);  // NaN as a float
  if (open_doors == 0) mprotect(begin, mapped, PROT_NONE);
  device_memory[*memory] = {begin, mapped};
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  const std::lock_guard lock(mutex);
  if (!memory) return cudaSuccess;
  const auto found = device_memory.find(memory);
  if (found == device_memory.end()) return cudaErrorInvalidValue;
  for (const auto& [key, stream] : streams) run_to(*stream, stream->queued);  // it waits for all that runs
  munmap(found->second.begin, found->second.bytes + pages(1));
  device_memory.erase(found);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  const std::lock_guard lock(mutex);
  *memory = std::aligned_alloc(4096, pages(std::max(bytes, size_t{1})));
  if (!*memory) return cudaErrorMemoryAllocation;
  host_memory[*memory] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  const std::lock_guard lock(mutex);
  host_memory.erase(memory);
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaHostRegister(void* memory, size_t bytes, unsigned) {
  const std::lock_guard lock(mutex);
  host_memory[memory] = bytes;
  return cudaSuccess;
}

cudaError_t cudaHostUnregister(void* memory) {
  const std::lock_guard lock(mutex);
  return host_memory.erase(memory) > 0 ? cudaSuccess : cudaErrorInvalidValue;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  const std::lock_guard lock(mutex);
  const bool of_host = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToHost;
  if (of_host && refused(*stream)) return cudaErrorStreamCaptureUnsupported;
  if (kind == cudaMemcpyHostToDevice && !page_locked(from)) {
    // Taken over before the call returns.
    const auto* begin = static_cast<const std::byte*>(from);
    return queue(stream, [to, held = std::vector<std::byte>(begin, begin + bytes)] {
      std::memcpy(to, held.data(), held.size());
    });
  }
  queue(stream, [=] { std::memcpy(to, from, bytes); });
  if (kind == cudaMemcpyDeviceToHost && !page_locked(to)) run_to(*stream, stream->queued);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  return queue(stream, [=] { std::memset(memory, value, bytes); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const std::lock_guard lock(mutex);
  auto made = std::make_shared<Stream>();
  *stream = made.get();
  streams[*stream] = std::move(made);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  run_to(*stream, stream->queued);
  streams.erase(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  if (refused(*stream)) return cudaErrorStreamCaptureUnsupported;
  run_to(*stream, stream->queued);
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (refused(*stream)) return cudaErrorStreamCaptureUnsupported;
  if (!event->stream) return cudaSuccess;
  return queue(stream, [other = event->stream, at = event->at] { run_to(*other, at); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new Event;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  if (refused(*stream)) return cudaErrorStreamCaptureUnsupported;
  event->stream = streams.at(stream);
  event->at = stream->queued;
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const std::lock_guard lock(mutex);
  if (event->stream) run_to(*event->stream, event->at);
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const std::lock_guard lock(mutex);
  return !event->stream || event->stream->done >= event->at ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const std::lock_guard lock(mutex);
  if (refused(*stream)) return cudaErrorInvalidValue;
  stream->captured = std::make_unique<Graph>();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(mutex);
  *graph = nullptr;
  if (!stream->captured) return cudaErrorInvalidValue;
  const std::unique_ptr<Graph> captured = std::move(stream->captured);
  if (!captured->valid) return cudaErrorStreamCaptureInvalidated;
  *graph = new Graph(*captured);
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  *count = graph->work.size();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  *made = new Graph(*graph);
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  const std::lock_guard lock(mutex);
  if (refused(*stream)) return cudaErrorStreamCaptureUnsupported;
  for (const auto& work : graph->work) queue(stream, work);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}
