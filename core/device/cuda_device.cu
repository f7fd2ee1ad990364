// A GPU: one stream, on which everything runs in order. CUDA's runtime is linked and loads the driver on demand, so the
// same program runs on machines without one.
#include <cuda_runtime.h>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/device/cuda.hpp"
#include "core/device/device.hpp"

namespace convoy {
namespace {

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int index) {
    cuda::check(cudaSetDevice(index), "choose a GPU");
    cuda::check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
    cudaDeviceProp properties{};
    cuda::check(cudaGetDeviceProperties(&properties, index), "ask for a GPU's properties");
    char bus[32] = "";
    cuda::check(cudaDeviceGetPCIBusId(bus, sizeof bus, index), "ask for a GPU's place");
    identity_ = bus;
    int version = 0;
    cuda::check(cudaRuntimeGetVersion(&version), "ask for CUDA's version");
    text_ = concat("GPU ", index, ", ", properties.name, ", sm_", properties.major, properties.minor, ", CUDA ",
                   version / 1000, ".", version % 1000 / 10);
  }
  CudaDevice(const CudaDevice&) = delete;
  ~CudaDevice() override { cudaStreamDestroy(stream_); }

  Backend backend() const override { return Backend::cuda; }
  std::string describe() const override { return text_; }
  std::string identity() const override { return identity_; }

  void* allocate(size_t bytes, std::string_view purpose) override {
    void* memory = nullptr;
    if (cudaMalloc(&memory, bytes > 0 ? bytes : 1) != cudaSuccess) {
      cudaGetLastError();  // or the next check would meet it
      size_t free = 0, total = 0;
      cudaMemGetInfo(&free, &total);
      fail(ExitCode::out_of_memory, "cannot allocate ", human_bytes(bytes), " for ", purpose, " on ", text_, ": ",
           human_bytes(free), " of ", human_bytes(total), " are free; use a smaller batch, or micro-batch");
    }
    cuda::check(cudaMemsetAsync(memory, 0, bytes, stream_), "clear memory");
    return memory;
  }
  void release(void* memory, size_t) noexcept override { cudaFree(memory); }

  bool on_host() const override { return false; }
  void upload(void* to, const void* from, size_t bytes) override {
    cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "copy to the GPU");
  }
  void download(void* to, const void* from, size_t bytes) override {
    cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "copy from the GPU");
    synchronize();
  }
  void copy(void* to, const void* from, size_t bytes) override {
    cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copy within the GPU");
  }
  void synchronize() override { cuda::check(cudaStreamSynchronize(stream_), "wait for the GPU"); }

  std::unique_ptr<Copier> make_copier() override { return cuda::make_copier(stream_); }
  std::unique_ptr<Feeder> make_feeder() override { return cuda::make_feeder(stream_); }
  std::unique_ptr<Recorder> make_recorder() override { return cuda::make_recorder(stream_); }
  void lock_pages(void* memory, size_t bytes) override {
    // Copies are right without it, too.
    if (cudaHostRegister(memory, bytes, cudaHostRegisterDefault) != cudaSuccess) cudaGetLastError();
  }
  void unlock_pages(void* memory) noexcept override {
    if (cudaHostUnregister(memory) != cudaSuccess) cudaGetLastError();
  }
  size_t free_bytes() const override {
    size_t free = 0, total = 0;
    return cudaMemGetInfo(&free, &total) == cudaSuccess ? free : 0;
  }

  cudaStream_t stream() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
  std::string text_, identity_;
};

}  // namespace

namespace cuda {

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  fail(ExitCode::internal, "CUDA could not ", what, ": ", cudaGetErrorString(status), " (error ",
       static_cast<int>(status), ")");
}

cudaStream_t stream_of(const Device& device) {
  return static_cast<const CudaDevice&>(device).stream();
}

}  // namespace cuda

std::string cuda_unavailable_reason() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return "";
  cudaGetLastError();
  // What a machine without a driver gives.
  if (status == cudaErrorInsufficientDriver) return "no NVIDIA driver on this machine, or one too old for this program";
  if (status == cudaErrorNoDevice || status == cudaSuccess) return "the NVIDIA driver finds no GPU";
  return concat("CUDA does not start: ", cudaGetErrorString(status));
}

int cuda_device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

bool built_with_cuda() {
  return true;
}

std::unique_ptr<Device> make_cuda_device(int index) {
  const std::string reason = cuda_unavailable_reason();
  if (!reason.empty()) fail(ExitCode::usage, "GPU ", index, " cannot be used: ", reason, "; use --backend cpu");
  const int count = cuda_device_count();
  if (index >= count) {
    fail(ExitCode::usage, "GPU ", index, " cannot be used: this machine shows ", count,
         " to Convoy; start fewer workers here, or use --backend cpu");
  }
  return std::make_unique<CudaDevice>(index);
}

}  // namespace convoy
