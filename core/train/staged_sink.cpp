#include "core/train/staged_sink.hpp"

#include <utility>

#include "core/device/profiler.hpp"

namespace convoy {

StagedSink::StagedSink(Device& device, const ParameterArena& on_device, const ParameterArena& host,
                       std::unique_ptr<GradientSink> inner)
    : device_(device), on_device_(on_device), host_(host), inner_(std::move(inner)), copier_(device.make_copier()) {
  const auto gradients = std::as_writable_bytes(host_.gradients()), weights = std::as_writable_bytes(host_.weights());
  device_.lock_pages(gradients.data(), gradients.size());
  device_.lock_pages(weights.data(), weights.size());
  thread_ = std::thread([this] { hand_on(); });
}

StagedSink::~StagedSink() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
  copier_.reset();  // it may still be writing into pages that are unlocked next
  device_.unlock_pages(host_.weights().data());
  device_.unlock_pages(host_.gradients().data());
}

void StagedSink::begin(int64_t step, float rate) {
  done_ = 0;
  inner_->begin(step, rate);
}

void StagedSink::ready(size_t end) {
  const size_t begin = std::exchange(done_, end);
  copier_->start(host_.gradients().data() + begin, on_device_.gradients().data() + begin,
                 (end - begin) * sizeof(float));
  const std::lock_guard lock(mutex_);
  ranges_.push_back({.copy = ++started_, .end = end});
  changed_.notify_all();
}

/// Waits for one copy after another and tells the inner sink.
void StagedSink::hand_on() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return closing_ || !ranges_.empty(); });
    if (closing_) return;
    const Range next = ranges_.front();
    ranges_.pop_front();
    handing_on_ = true;
    lock.unlock();
    std::exception_ptr failure;
    try {
      copier_->wait(next.copy);
      const ProfilerRange range("exchange");
      inner_->ready(next.end);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    handing_on_ = false;
    if (failure && !failure_) failure_ = failure;
    changed_.notify_all();
  }
}

void StagedSink::finish(std::span<double> totals) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ranges_.empty() && !handing_on_; });
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }
  const ProfilerRange range("exchange");
  inner_->finish(totals);
  const std::span<float> weights = host_.weights();
  device_.upload(on_device_.weights().data(), weights.data(), weights.size() * sizeof(float));
  // The next step changes them on the host, which must not happen while they are still being copied.
  device_.synchronize();
}

}  // namespace convoy
