// Several threads make items 0 to n - 1; one takes them in order. At most `window` items exist at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace convoy {

template <typename Item>
class OrderedPool {
 public:
  /// Fills an item; called by any thread, `thread` from 0. Items are reused. Must not throw.
  using Make = std::function<void(int64_t index, size_t thread, Item& item)>;

  OrderedPool(int64_t items, size_t threads, size_t window, Make make)
      : items_(items), make_(std::move(make)), slots_(window) {
    for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this, i] { work(i); });
  }
  /// Ends the threads; what was not taken is dropped.
  ~OrderedPool() {
    {
      const std::lock_guard lock(mutex_);
      leaving_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  OrderedPool(const OrderedPool&) = delete;
  OrderedPool& operator=(const OrderedPool&) = delete;

  /// The next item, which stays until the call after this one; at most `items` calls.
  Item& next() {
    std::unique_lock lock(mutex_);
    if (holding_) {
      slot(taken_++).ready = false;
      changed_.notify_all();
    }
    holding_ = true;
    Slot& wanted = slot(taken_);
    ready_.wait(lock, [&] { return wanted.ready; });
    return wanted.item;
  }

 private:
  struct Slot {
    Item item;
    bool ready = false;
  };

  Slot& slot(int64_t index) { return slots_[static_cast<size_t>(index) % slots_.size()]; }

  void work(size_t thread) {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return leaving_ || begun_ == items_ || begun_ < taken_ + window(); });
      if (leaving_ || begun_ == items_) return;
      const int64_t index = begun_++;
      Slot& mine = slot(index);
      lock.unlock();
      make_(index, thread, mine.item);
      lock.lock();
      mine.ready = true;
      ready_.notify_one();
    }
  }
  int64_t window() const { return static_cast<int64_t>(slots_.size()); }

  const int64_t items_;
  const Make make_;
  std::mutex mutex_;
  std::condition_variable changed_, ready_;
  int64_t begun_ = 0, taken_ = 0;
  bool holding_ = false, leaving_ = false;
  std::vector<Slot> slots_;
  std::vector<std::thread> threads_;
};

}  // namespace convoy
