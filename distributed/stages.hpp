// A line of stages that buckets pass one after another, each stage a thread: while one bucket is in the second stage,
// the next is in the first.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace convoy {

class StageLine {
 public:
  using Work = std::function<void(size_t bucket)>;

  /// The line is idle until begin().
  StageLine(size_t buckets, std::vector<Work> stages);
  /// Waits for what is under way; buckets that have not begun a stage do not.
  ~StageLine();
  StageLine(const StageLine&) = delete;
  StageLine& operator=(const StageLine&) = delete;

  /// Starts a round in which no bucket is released yet; the last one must have ended. After an error the line stays
  /// broken: this and wait() rethrow it.
  void begin();
  /// The first `count` buckets may enter.
  void release(size_t count);
  /// Returns when all buckets have passed all stages. Everything they did is then visible to the caller.
  void wait();
  /// Of this round.
  size_t released() const;

 private:
  void run(size_t stage);
  bool ended() const { return done_.back() == buckets_; }

  const size_t buckets_;
  const std::vector<Work> stages_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  size_t released_ = 0;
  std::vector<size_t> done_;  // buckets that have passed, of each stage
  bool stop_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;  // last: they use all of the above
};

}  // namespace convoy
