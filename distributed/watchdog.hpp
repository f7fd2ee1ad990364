// Heartbeats between workers, on sockets of their own, from a thread that makes no MPI call.
//
// Every worker keeps one TCP connection to rank 0 and sends a beat each half second: rank, step, phase, bucket. A
// connection that closes without a goodbye, or silence longer than the timeout, means that worker is lost; a worker
// that loses rank 0 concludes the same of it, two beats later where it is silence. Whoever sees it first calls
// `on_loss` once, from the watchdog's thread.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "distributed/communicator.hpp"
#include "distributed/failure.hpp"

namespace convoy {

struct WatchdogOptions {
  std::chrono::duration<double> timeout = std::chrono::seconds(60);
  std::chrono::duration<double> beat = std::chrono::milliseconds(500);
  /// Set once this worker is asked to end, by a launcher perhaps that has seen a failure and kills all within seconds.
  const std::atomic<bool>* ending = nullptr;
};

/// Where this worker is, for its beats. Any thread may ask.
struct Whereabouts {
  int64_t step = 0;
  std::string phase;
  int bucket = -1;
};

class Watchdog {
 public:
  /// `on_silence` is called at most once, when `ending` is set and a worker is silent for four beats: nobody may live
  /// to see the timeout. Collective: rank 0's addresses and port travel over `communicator`, which is not used
  /// afterwards.
  Watchdog(Communicator& communicator, const WatchdogOptions& options, std::function<Whereabouts()> whereabouts,
           std::function<void(const Failure&)> on_loss, std::function<void(const Failure&)> on_silence = nullptr);
  /// Says goodbye, so that leaving is not taken for dying.
  ~Watchdog();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy
