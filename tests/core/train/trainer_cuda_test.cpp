// The step loop on a device with memory of its own: a GPU, or CUDA on the CPU.
#include "core/train/trainer.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <optional>

#include "tests/core/train/small_run.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy {
namespace {

constexpr int64_t batch = 4;

/// Hands out batches of locked pages, in turn one of two, that are gone with it.
class PagedSource final : public BatchSource {
 public:
  PagedSource(Device& device, const SmallData& data)
      : data_(data),
        bytes_(batch * small_image * sizeof(float)),
        memory_(static_cast<std::byte*>(
            mmap(nullptr, 2 * bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    locked_.emplace(device, memory_, 2 * bytes_);
  }
  ~PagedSource() override {
    locked_.reset();
    munmap(memory_, 2 * bytes_);
  }
  const Batch& next() override {
    batch_ = data_.batch(taken_ * batch, batch);
    std::byte* place = memory_ + static_cast<size_t>(taken_ % 2) * bytes_;
    std::memcpy(place, batch_.images.data, bytes_);
    batch_.images.data = place;
    ++taken_;
    return batch_;
  }
  int64_t taken() const { return taken_; }

 private:
  const SmallData& data_;
  const size_t bytes_;
  std::byte* memory_;
  std::optional<LockedPages> locked_;
  Batch batch_;
  int64_t taken_ = 0;
};

/// Keeps the losses, and asks to stop after a step.
class StoppingObserver final : public Observer {
 public:
  StoppingObserver(int64_t after, std::atomic<bool>& stop) : after_(after), stop_(stop) {}
  void on_step(const StepReport& report) override {
    losses.push_back(report.loss);
    if (report.step == after_) stop_ = true;
  }
  std::vector<double> losses;

 private:
  int64_t after_;
  std::atomic<bool>& stop_;
};

class TrainerOnDevice : public testing::DeviceTest {};

TEST_F(TrainerOnDevice, ReadsOneBatchAheadAndLetsItGoWhenItIsStopped) {
  const SmallData data(10 * batch);
  const auto losses = [&](std::unique_ptr<Device> device, int64_t ahead) {
    SmallRun run({.lane_batch = batch, .global_batch = batch}, {.name = "momentum"}, small_network, std::move(device));
    std::atomic<bool> stop = false;
    StoppingObserver observer(3, stop);
    const Schedule schedule({.rate = 0.01});
    {
      PagedSource source(*run.device, data);
      EXPECT_FALSE(train({.net = run.net,
                          .lanes = *run.lanes,
                          .source = source,
                          .sink = *run.sink,
                          .schedule = schedule,
                          .observers = {&observer},
                          .stop = stop},
                         {.last_step = 10, .global_batch = batch, .samples_per_epoch = 40}));
      EXPECT_EQ(source.taken(), 4 + ahead);
    }
    EXPECT_EQ(observer.losses.size(), 4u);  // the one that was under way ends
    return observer.losses;
  };
  const std::vector<double> here = losses(make_cpu_device(), 0), there = losses(testing::make_tested_device(), 1);
  // Sums of a few hundred fp32 products in another order, over four steps; another batch has another loss by far.
  for (size_t i = 0; i < here.size(); ++i) EXPECT_NEAR(there[i], here[i], 1e-5 * here[i]) << i;
}

}  // namespace
}  // namespace convoy
