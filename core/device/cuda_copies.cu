// Copies beside a GPU's ops, by streams of their own and events between them.
#include <deque>
#include <mutex>
#include <vector>

#include "core/device/cuda.hpp"

namespace convoy::cuda {
namespace {

/// A stream for copies alone, which waits for the ops before each; after it an event, which the host waits for.
class CudaCopier final : public Copier {
 public:
  explicit CudaCopier(cudaStream_t ops) : ops_(ops) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
    check(cudaEventCreateWithFlags(&before_, cudaEventDisableTiming), "make an event");
  }
  CudaCopier(const CudaCopier&) = delete;
  ~CudaCopier() override {
    cudaStreamSynchronize(stream_);
    for (cudaEvent_t event : done_) cudaEventDestroy(event);
    for (cudaEvent_t event : spare_) cudaEventDestroy(event);
    cudaEventDestroy(before_);
    cudaStreamDestroy(stream_);
  }

  void start(void* to, const void* from, size_t bytes) override {
    check(cudaEventRecord(before_, ops_), "record an event");
    check(cudaStreamWaitEvent(stream_, before_, 0), "wait for an event");
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "copy from the GPU");
    cudaEvent_t done = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (!spare_.empty()) {
        done = spare_.back();
        spare_.pop_back();
      }
    }
    if (!done) check(cudaEventCreateWithFlags(&done, cudaEventDisableTiming), "make an event");
    check(cudaEventRecord(done, stream_), "record an event");
    const std::lock_guard lock(mutex_);
    done_.push_back(done);
  }

  void wait(size_t copies) override {
    for (; waited_ < copies; ++waited_) {
      cudaEvent_t next = nullptr;
      {
        const std::lock_guard lock(mutex_);
        next = done_.front();
        done_.pop_front();
      }
      check(cudaEventSynchronize(next), "wait for a copy");
      const std::lock_guard lock(mutex_);
      spare_.push_back(next);
    }
  }

 private:
  cudaStream_t ops_, stream_ = nullptr;
  cudaEvent_t before_ = nullptr;
  std::mutex mutex_;
  std::deque<cudaEvent_t> done_;    // of copies that nobody has waited for
  std::vector<cudaEvent_t> spare_;  // of others
  size_t waited_ = 0;
};

/// Events stand for points of the two streams: where copies may begin, and where they have ended.
class CudaFeeder final : public Feeder {
 public:
  explicit CudaFeeder(cudaStream_t ops) : ops_(ops) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "make a stream");
    check(cudaEventCreateWithFlags(&released_, cudaEventDisableTiming), "make an event");
    check(cudaEventCreateWithFlags(&copied_, cudaEventDisableTiming), "make an event");
  }
  CudaFeeder(const CudaFeeder&) = delete;
  ~CudaFeeder() override {
    cudaStreamSynchronize(stream_);
    cudaEventDestroy(copied_);
    cudaEventDestroy(released_);
    cudaStreamDestroy(stream_);
  }

  void start(void* to, const void* from, size_t bytes) override {
    check(cudaStreamWaitEvent(stream_, released_, 0), "wait for an event");
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "copy to the GPU");
    check(cudaEventRecord(copied_, stream_), "record an event");
  }
  void wait() override { check(cudaEventSynchronize(copied_), "wait for a copy"); }
  void join() override { check(cudaStreamWaitEvent(ops_, copied_, 0), "wait for an event"); }
  void release() override { check(cudaEventRecord(released_, ops_), "record an event"); }

 private:
  cudaStream_t ops_, stream_ = nullptr;
  cudaEvent_t released_ = nullptr, copied_ = nullptr;
};

}  // namespace

std::unique_ptr<Copier> make_copier(cudaStream_t stream) {
  return std::make_unique<CudaCopier>(stream);
}

std::unique_ptr<Feeder> make_feeder(cudaStream_t stream) {
  return std::make_unique<CudaFeeder>(stream);
}

}  // namespace convoy::cuda
