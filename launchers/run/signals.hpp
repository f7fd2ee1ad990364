// Being asked to stop: SIGTERM, SIGINT and SIGUSR1 set a flag that the step loop reads.
//
// The signals are blocked in the thread that makes a StopSignals and in all it starts afterwards, and are received by
// one thread that waits for them. So it must be made before any other thread, MPI's included.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace convoy {

class StopSignals {
 public:
  /// `told` is called once, from the waiting thread, with the signal's name. A second SIGINT ends the process at once.
  explicit StopSignals(std::function<void(const std::string&)> told);
  ~StopSignals();

  const std::atomic<bool>& requested() const { return requested_; }

 private:
  void wait(const std::function<void(const std::string&)>& told);

  std::atomic<bool> requested_ = false, leaving_ = false;
  std::thread thread_;
};

}  // namespace convoy
