// Where tensors live and ops run.
//
// A Device makes memory; each op family has a factory that takes the device (core/ops/NAME.hpp) and picks the
// implementation beside it (NAME_cpu.cpp, NAME_cuda.cu; a stub where CUDA is absent).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace convoy {

enum class Backend { cpu, cuda };

/// Copies from a device's memory to the host's, beside the ops that are queued later. One thread starts copies, one may
/// wait for them.
class Copier {
 public:
  virtual ~Copier() = default;
  /// Starts to copy what is there when all ops queued so far have run.
  virtual void start(void* to, const void* from, size_t bytes) = 0;
  /// Waits for the first `copies` that were started.
  virtual void wait(size_t copies) = 0;
};

/// Copies from the host's memory to a device's, beside the ops. Used by one thread.
class Feeder {
 public:
  virtual ~Feeder() = default;
  /// Starts a copy, which waits for the ops that had been queued at the last release(). `from` may change after wait().
  virtual void start(void* to, const void* from, size_t bytes) = 0;
  /// Waits for all that was started.
  virtual void wait() = 0;
  /// Lets ops that are queued from now on wait for it.
  virtual void join() = 0;
  /// Says that the ops queued so far are the last that read it.
  virtual void release() = 0;
};

/// Ops that were recorded, to be queued again and again by one call.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay() = 0;
};

/// Records ops instead of queueing them. What is recorded must not allocate, upload, download or wait.
class Recorder {
 public:
  /// Gives up what was begun and not ended.
  virtual ~Recorder() = default;
  virtual void begin() = 0;
  /// Throws Error where something was not to be recorded, as begin() and the ops themselves may.
  virtual std::unique_ptr<Recording> end() = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual Backend backend() const = 0;

  /// One line for people: "CPU, 2 threads, avx512_core_bf16, oneDNN 2.6.3".
  virtual std::string describe() const = 0;
  /// Tells one GPU of a machine from another: its PCI bus id. "" for the CPU, which workers share as they like.
  virtual std::string identity() const { return ""; }

  /// Zeroed memory that ops work on, aligned to 4096 bytes (256 on a GPU). Throws Error(out_of_memory) naming `purpose`
  /// and the size.
  virtual void* allocate(size_t bytes, std::string_view purpose) = 0;
  /// Gives back what allocate(bytes) gave.
  virtual void release(void* memory, size_t bytes) noexcept = 0;

  /// Whether that memory is the process's own: the host may then read and write it between ops, and no copies are
  /// needed. If not, ops are queued, and run in the order of the calls.
  virtual bool on_host() const = 0;
  /// Copies to and from the device's memory, in order with the ops. `from` of an upload may change once it returns,
  /// unless its pages are locked: then once the copy has run. What is downloaded is there when it returns.
  virtual void upload(void* to, const void* from, size_t bytes) = 0;
  virtual void download(void* to, const void* from, size_t bytes) = 0;
  /// Copies within the device's memory, likewise.
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  /// Waits for all that was queued.
  virtual void synchronize() = 0;
  /// For a device whose memory is not the host's. It must not outlive the device.
  virtual std::unique_ptr<Copier> make_copier() = 0;
  virtual std::unique_ptr<Feeder> make_feeder() = 0;
  /// Likewise. The ops are those that this thread queues.
  virtual std::unique_ptr<Recorder> make_recorder() = 0;
  /// Says that memory of the host is going to be copied from and to again and again, which is faster where the system
  /// lets its pages be locked. unlock_pages() before it is freed.
  virtual void lock_pages(void* memory, size_t bytes) = 0;
  virtual void unlock_pages(void* memory) noexcept = 0;
  /// Bytes that allocate() can still give, for a device whose memory is not the host's; 0 where it cannot tell.
  virtual size_t free_bytes() const = 0;
};

/// Memory of the host whose pages a device has locked, while it lives.
class LockedPages {
 public:
  LockedPages(Device& device, void* memory, size_t bytes) : device_(&device), memory_(memory) {
    device.lock_pages(memory, bytes);
  }
  LockedPages(LockedPages&& other) noexcept : device_(std::exchange(other.device_, nullptr)), memory_(other.memory_) {}
  ~LockedPages() {
    if (device_) device_->unlock_pages(memory_);
  }

 private:
  Device* device_;
  void* memory_;
};

/// Memory owned by a device.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(Device& device, size_t bytes, std::string_view purpose)
      : device_(&device), data_(static_cast<std::byte*>(device.allocate(bytes, purpose))), bytes_(bytes) {}
  DeviceBuffer(DeviceBuffer&& other) noexcept { *this = std::move(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~DeviceBuffer() {
    if (data_) device_->release(data_, bytes_);
  }

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  Device* device_ = nullptr;
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

std::unique_ptr<Device> make_cpu_device();

/// The index-th GPU. Throws Error(usage) where it is not there, saying why (no driver, no device, built without CUDA).
std::unique_ptr<Device> make_cuda_device(int index);

/// Why make_cuda_device(0) would fail here, or "" where it would not.
std::string cuda_unavailable_reason();
/// GPUs that this process sees.
int cuda_device_count();
/// Whether this program could use a GPU if there was one.
bool built_with_cuda();

}  // namespace convoy
