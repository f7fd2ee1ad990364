// What this worker is doing, for the watchdog's beats and failure.json: written by the loop, read by any thread.
#pragma once

#include <atomic>

#include "distributed/exchange.hpp"
#include "distributed/watchdog.hpp"

namespace convoy {

struct WorkerState {
  std::atomic<int64_t> step{0};             // under way, counted from 1 as in metrics.jsonl
  Progress progress;                        // of the exchange, which counts its steps by itself
  std::atomic<const char*> phase{"start"};  // a string literal

  Whereabouts whereabouts() const {
    return {.step = step.load(), .phase = phase.load(), .bucket = progress.bucket.load()};
  }
};

/// Sets the phase for as long as it lives.
class PhaseScope {
 public:
  PhaseScope(WorkerState& state, const char* phase) : state_(state), before_(state.phase.exchange(phase)) {}
  ~PhaseScope() { state_.phase = before_; }
  PhaseScope(const PhaseScope&) = delete;
  PhaseScope& operator=(const PhaseScope&) = delete;

 private:
  WorkerState& state_;
  const char* before_;
};

}  // namespace convoy
