#include "distributed/stages.hpp"

#include <algorithm>
#include <utility>

namespace convoy {

StageLine::StageLine(size_t buckets, std::vector<Work> stages)
    : buckets_(buckets), stages_(std::move(stages)), done_(stages_.size(), buckets) {
  for (size_t stage = 0; stage < stages_.size(); ++stage) {
    threads_.emplace_back([this, stage] { run(stage); });
  }
}

StageLine::~StageLine() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void StageLine::run(size_t stage) {
  std::unique_lock lock(mutex_);
  const auto ready = [&] { return stage == 0 ? released_ : done_[stage - 1]; };
  while (true) {
    // done_ is beyond ready() between rounds.
    changed_.wait(lock, [&] { return stop_ || (!error_ && done_[stage] < ready()); });
    if (stop_) return;
    const size_t bucket = done_[stage];
    lock.unlock();
    std::exception_ptr failed;
    try {
      stages_[stage](bucket);
    } catch (...) {
      failed = std::current_exception();
    }
    lock.lock();
    if (failed && !error_) error_ = failed;
    ++done_[stage];
    const bool last_stage = stage + 1 == stages_.size();
    if (error_ || !last_stage || ended()) changed_.notify_all();
  }
}

void StageLine::begin() {
  const std::lock_guard lock(mutex_);
  if (error_) std::rethrow_exception(error_);
  released_ = 0;
  std::ranges::fill(done_, size_t{0});
}

void StageLine::release(size_t count) {
  {
    const std::lock_guard lock(mutex_);
    if (count <= released_) return;
    released_ = count;
  }
  changed_.notify_all();
}

void StageLine::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return error_ || ended(); });
  if (error_) std::rethrow_exception(error_);
}

size_t StageLine::released() const {
  const std::lock_guard lock(mutex_);
  return released_;
}

}  // namespace convoy
