// What Convoy asks of CUDA: kernels whose threads meet, copies in order, streams that wait for each other. On a GPU it
// tests Convoy's device, on the CPU also the stand-in for CUDA itself (tests/support/cuda_on_cpu).
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "core/base/error.hpp"
#include "core/device/cuda.hpp"

namespace convoy {
namespace {

class CudaDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = cuda_unavailable_reason(); !reason.empty()) GTEST_SKIP() << reason;
    device_ = make_cuda_device(0);
  }
  template <typename T>
  std::vector<T> down(const T* from, size_t count) {
    std::vector<T> out(count);
    device_->download(out.data(), from, count * sizeof(T));
    return out;
  }
  std::unique_ptr<Device> device_;
};

/// (nvcc takes no __device__ lambda in a test's body, which is a private member.)
void increment_each(const Device& device, int64_t n, int* place) {
  cuda::for_each(cuda::stream_of(device), n, [=] __device__(int64_t i) { place[i] += 1; });
}

void add_each(const Device& device, int64_t n, const int* from, int* to) {
  cuda::for_each(cuda::stream_of(device), n, [=] __device__(int64_t i) { to[i] += from[i]; });
}

/// Sums 0 .. 255 + block, in shared memory, halving the threads.
__global__ void sum_by_halves(int* sums) {
  __shared__ int values[256];
  const unsigned thread = threadIdx.x;
  values[thread] = static_cast<int>(thread + blockIdx.x);
  __syncthreads();
  for (unsigned half = 128; half > 0; half /= 2) {
    if (thread < half) values[thread] += values[thread + half];
    __syncthreads();
  }
  if (thread == 0) sums[blockIdx.x] = values[0];
}

TEST_F(CudaDevice, ThreadsOfABlockMeet) {
  const DeviceBuffer sums(*device_, 3 * sizeof(int), "a test");
  auto* place = reinterpret_cast<int*>(sums.data());
  cuda::launch(cuda::stream_of(*device_), 3, 256, sum_by_halves, place);
  EXPECT_EQ(down(place, 3), (std::vector<int>{255 * 128, 255 * 128 + 256, 255 * 128 + 512}));
}

/// Every lane's sum of its warp, by exchanges with ever nearer lanes; those past the 40th thread have ended.
__global__ void sum_of_warp(int* sums) {
  const auto thread = static_cast<int>(threadIdx.x);
  int sum = thread;
  if (thread >= 32) return;
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  sums[thread] = sum;
}

TEST_F(CudaDevice, LanesOfAWarpExchange) {
  const DeviceBuffer sums(*device_, 32 * sizeof(int), "a test");
  auto* place = reinterpret_cast<int*>(sums.data());
  cuda::launch(cuda::stream_of(*device_), 1, 64, sum_of_warp, place);
  EXPECT_EQ(down(place, 32), std::vector<int>(32, 31 * 16));
}

TEST_F(CudaDevice, EveryElementIsVisitedOnce) {
  for (const int64_t n : {int64_t{1}, int64_t{255}, int64_t{257}, int64_t{132 * 16 * 256 + 5}}) {
    const DeviceBuffer counts(*device_, static_cast<size_t>(n) * sizeof(int), "a test");
    auto* place = reinterpret_cast<int*>(counts.data());
    increment_each(*device_, n, place);
    EXPECT_EQ(down(place, static_cast<size_t>(n)), std::vector<int>(static_cast<size_t>(n), 1)) << n;
  }
}

TEST_F(CudaDevice, GivesZeroedMemory) {
  const DeviceBuffer buffer(*device_, 1000, "a test");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 256, 0u);
  EXPECT_EQ(down(buffer.data(), 1000), std::vector<std::byte>(1000));
}

TEST_F(CudaDevice, NamesPurposeAndSizeWhenMemoryIsShort) {
  try {
    device_->allocate(size_t{1} << 50, "activations");
    FAIL() << "allocated a petabyte";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::out_of_memory);
    EXPECT_NE(std::string(error.what()).find("activations"), std::string::npos) << error.what();
  }
}

TEST_F(CudaDevice, WhatIsUploadedMayChangeAtOnce) {
  std::vector<int> values(1 << 16);
  std::iota(values.begin(), values.end(), 0);
  const std::vector<int> before = values;
  const DeviceBuffer buffer(*device_, values.size() * sizeof(int), "a test");
  device_->upload(buffer.data(), values.data(), buffer.bytes());
  std::ranges::fill(values, -1);
  EXPECT_EQ(down(reinterpret_cast<const int*>(buffer.data()), values.size()), before);
}

TEST_F(CudaDevice, CopiesHoldWhatWasThereBeforeLaterOps) {
  constexpr int64_t n = 1 << 20;
  const DeviceBuffer buffer(*device_, n * sizeof(int), "a test");
  auto* place = reinterpret_cast<int*>(buffer.data());
  std::vector<int> first(n), second(n);
  for (auto* copy : {&first, &second}) device_->lock_pages(copy->data(), n * sizeof(int));
  const std::unique_ptr<Copier> copier = device_->make_copier();
  increment_each(*device_, n, place);
  copier->start(first.data(), place, n * sizeof(int));
  copier->wait(1);
  EXPECT_EQ(first, std::vector<int>(n, 1));
  increment_each(*device_, n, place);
  copier->start(second.data(), place, n * sizeof(int));
  copier->wait(2);
  EXPECT_EQ(second, std::vector<int>(n, 2));
  for (auto* copy : {&first, &second}) device_->unlock_pages(copy->data());
}

TEST_F(CudaDevice, WhatIsFedIsThereForOpsAfterTheJoinAndStaysUntilTheRelease) {
  constexpr size_t count = 1000;
  const DeviceBuffer fed(*device_, count * sizeof(int), "a test"), sums(*device_, count * sizeof(int), "a test");
  auto* place = reinterpret_cast<int*>(fed.data());
  auto* sum = reinterpret_cast<int*>(sums.data());
  std::vector<int> host(count, 1);
  const LockedPages locked(*device_, host.data(), count * sizeof(int));  // read when the copy runs, and not before
  const auto feeder = device_->make_feeder();
  feeder->release();
  feeder->start(place, host.data(), count * sizeof(int));
  for (const int next : {10, 100}) {
    feeder->join();
    add_each(*device_, count, place, sum);
    feeder->release();
    feeder->wait();
    std::fill(host.begin(), host.end(), next);
    feeder->start(place, host.data(), count * sizeof(int));  // before anything of the op has been waited for
  }
  feeder->join();
  add_each(*device_, count, place, sum);
  EXPECT_EQ(down(sum, count), std::vector<int>(count, 111));
}

TEST_F(CudaDevice, CopiesWithinItsMemoryInOrder) {
  const DeviceBuffer memory(*device_, 2 * sizeof(int), "a test");
  auto* place = reinterpret_cast<int*>(memory.data());
  increment_each(*device_, 1, place);
  device_->copy(place + 1, place, sizeof(int));
  increment_each(*device_, 1, place);
  EXPECT_EQ(down(place, 2), (std::vector<int>{2, 1}));
}

TEST_F(CudaDevice, WhatIsRecordedRunsWhenItIsReplayed) {
  const DeviceBuffer memory(*device_, 2 * sizeof(int), "a test");
  auto* place = reinterpret_cast<int*>(memory.data());
  const auto recorder = device_->make_recorder();
  recorder->begin();
  increment_each(*device_, 2, place);
  increment_each(*device_, 1, place);
  const auto recording = recorder->end();
  EXPECT_EQ(down(place, 2), (std::vector<int>{0, 0}));
  recording->replay();
  EXPECT_EQ(down(place, 2), (std::vector<int>{2, 1}));
  const std::vector<int> other = {10, 20};
  device_->upload(place, other.data(), memory.bytes());
  recording->replay();
  recording->replay();
  EXPECT_EQ(down(place, 2), (std::vector<int>{14, 22}));
}

TEST_F(CudaDevice, ARecordingMayBeEmpty) {
  const auto recorder = device_->make_recorder();
  recorder->begin();
  recorder->end()->replay();
  device_->synchronize();
}

TEST_F(CudaDevice, WaitingSpoilsARecordingAndNothingElse) {
  const DeviceBuffer memory(*device_, sizeof(int), "a test");
  auto* place = reinterpret_cast<int*>(memory.data());
  auto recorder = device_->make_recorder();
  recorder->begin();
  increment_each(*device_, 1, place);
  EXPECT_THROW(device_->synchronize(), Error);
  EXPECT_THROW(recorder->end(), Error);
  recorder->begin();
  recorder.reset();  // given up
  increment_each(*device_, 1, place);
  EXPECT_EQ(down(place, 1), (std::vector<int>{1}));
}

TEST_F(CudaDevice, RefusesAGpuThatIsNotThere) {
  EXPECT_THROW(make_cuda_device(1000), Error);
}

#if !defined(__CUDACC__)  // what the stand-in is stricter about

__global__ void wait_at_different_places(int*) {
  if (threadIdx.x == 0) {
    __syncthreads();
  } else {
    __syncwarp();
    __syncthreads();
  }
}

using CudaOnCpuDeathTest = CudaDevice;

TEST_F(CudaOnCpuDeathTest, ThreadsThatNeverMeetEndTheProgram) {
  EXPECT_DEATH(
      {
        cuda::launch(cuda::stream_of(*device_), 1, 2, wait_at_different_places, static_cast<int*>(nullptr));
        device_->synchronize();
      },
      "wait for each other");
}

TEST_F(CudaOnCpuDeathTest, TheHostCannotTouchTheDevicesMemory) {
  const DeviceBuffer buffer(*device_, sizeof(int), "a test");
  device_->synchronize();
  EXPECT_DEATH(*reinterpret_cast<volatile int*>(buffer.data()) = 1, "");
  EXPECT_DEATH((void)*reinterpret_cast<volatile int*>(buffer.data()), "");
}

TEST_F(CudaDevice, NothingRunsBeforeSomebodyWaits) {
  std::vector<int> seen(1);
  device_->lock_pages(seen.data(), sizeof(int));
  const DeviceBuffer buffer(*device_, sizeof(int), "a test");
  auto* place = reinterpret_cast<int*>(buffer.data());
  increment_each(*device_, 1, place);
  const std::unique_ptr<Copier> copier = device_->make_copier();
  copier->start(seen.data(), place, sizeof(int));
  EXPECT_EQ(seen[0], 0);
  copier->wait(1);
  EXPECT_EQ(seen[0], 1);
  device_->unlock_pages(seen.data());
}

#endif

}  // namespace
}  // namespace convoy
