#include "core/train/team_pool.hpp"

#include <omp.h>

#include <utility>

namespace convoy {

TeamPool::TeamPool(int teams, int threads_per_team) : threads_per_team_(threads_per_team), errors_(teams) {
  for (int team = 1; team < teams; ++team) threads_.emplace_back([this, team] { loop(team); });
}

TeamPool::~TeamPool() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  start_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void TeamPool::call(int team) noexcept {
  try {
    (*work_)(team);
  } catch (...) {
    errors_[team] = std::current_exception();
  }
}

void TeamPool::loop(int team) {
  omp_set_num_threads(threads_per_team_);
  uint64_t seen = 0;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, [&] { return ending_ || generation_ != seen; });
      if (ending_) return;
      seen = generation_;
    }
    call(team);
    {
      const std::lock_guard lock(mutex_);
      --running_;
    }
    done_.notify_one();
  }
}

void TeamPool::run(const std::function<void(int)>& work) {
  {
    const std::lock_guard lock(mutex_);
    work_ = &work;
    running_ = static_cast<int>(threads_.size());
    ++generation_;
  }
  start_.notify_all();
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads_per_team_);
  call(0);
  omp_set_num_threads(before);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return running_ == 0; });
  for (std::exception_ptr& error : errors_) {
    if (error) std::rethrow_exception(std::exchange(error, nullptr));
  }
}

}  // namespace convoy
