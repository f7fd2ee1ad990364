// What a worker does when it fails or sees that another is lost: failure.json at once, one line, the end of everybody.
#pragma once

#include <string>

#include "distributed/failure.hpp"
#include "launchers/run/worker.hpp"
#include "launchers/run/worker_state.hpp"

namespace convoy {

class FailureReport {
 public:
  FailureReport(std::string run_folder, Worker& worker, const WorkerState& state)
      : run_folder_(std::move(run_folder)), worker_(worker), state_(state) {}

  /// Writes failure.json about an error of this worker's own; an Error(peer_lost) is somebody else's failure.
  void write(const Error& error) const;

  /// write(), one line, and the end of all workers.
  [[noreturn]] void end(const Error& error) const;

  /// What the watchdog calls. Says so only if nobody has reported a failure before.
  [[noreturn]] void peer_lost(const Failure& seen) const;

  /// Writes failure.json about a worker that is silent while this one is being ended, and says so. Ends nobody: if it
  /// was just a pause, the run is saved as asked.
  void peer_silent(const Failure& seen) const;

 private:
  Failure completed(const Failure& seen) const;

  std::string run_folder_;
  Worker& worker_;
  const WorkerState& state_;
};

/// True once somebody has reported that this run has failed.
bool failure_reported(const std::string& run_folder);

/// What is known of a lost worker: its last beat, or what this worker's own place in the run implies.
Failure with_own_knowledge(Failure seen, const Whereabouts& own);

}  // namespace convoy
