// The threads of one worker: team 0 is the caller's, the others wait for work.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace convoy {

class TeamPool {
 public:
  /// Each team may use `threads_per_team` OpenMP threads; the calling thread is set up so by every run().
  TeamPool(int teams, int threads_per_team);
  ~TeamPool();

  /// work(team) on every team at once; returns when all are done. Rethrows the first exception by team number.
  void run(const std::function<void(int)>& work);

 private:
  void loop(int team);
  void call(int team) noexcept;

  int threads_per_team_;
  std::mutex mutex_;
  std::condition_variable start_, done_;
  const std::function<void(int)>* work_ = nullptr;
  uint64_t generation_ = 0;
  int running_ = 0;
  bool ending_ = false;
  std::vector<std::exception_ptr> errors_;
  std::vector<std::thread> threads_;
};

}  // namespace convoy
