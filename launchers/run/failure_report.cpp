// What a worker does when it fails or sees that another is lost.
#include "launchers/run/failure_report.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "distributed/sockets.hpp"

namespace convoy {
namespace {

void say_lost(const Failure& failure) {
  const std::string where = failure.host.empty() ? "" : " on " + failure.host;
  std::fprintf(stderr, "convoy: worker %d%s is lost at step %lld: %s; run again with --resume\n", failure.rank,
               where.c_str(), static_cast<long long>(failure.step), failure.cause.c_str());
}

}  // namespace

bool failure_reported(const std::string& run_folder) {
  std::error_code ignored;
  return std::filesystem::exists(run_folder + "/failure.json", ignored);
}

Failure with_own_knowledge(Failure seen, const Whereabouts& own) {
  // Nobody ends a step before all have done their part in it.
  if (seen.step < own.step - 1 || seen.phase.empty()) {
    seen.step = std::max(seen.step, own.step - 1);
    seen.phase = own.phase;
    seen.bucket = own.bucket;
  }
  return seen;
}

void FailureReport::write(const Error& error) const {
  const Whereabouts here = state_.whereabouts();
  const bool other = error.code() == ExitCode::peer_lost;
  write_failure(run_folder_, {.rank = other ? -1 : worker_.rank(),
                              .host = other ? "" : host_name(),
                              .step = here.step,
                              .phase = here.phase,
                              .bucket = here.bucket,
                              .cause = error.what(),
                              .exit_code = static_cast<int>(error.code()),
                              .reported_by = worker_.rank()});
}

void FailureReport::end(const Error& error) const {
  // The watchdog knows who is lost, this thread only that somebody is: it gets a moment to report first,
  // which is longer than the two beats that it waits for a silent rank 0.
  if (error.code() == ExitCode::peer_lost) std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  write(error);
  std::fprintf(stderr, "convoy: worker %d on %s: %s\n", worker_.rank(), host_name().c_str(), error.what());
  worker_.end_everybody(error.code());
}

Failure FailureReport::completed(const Failure& seen) const {
  Failure failure = with_own_knowledge(seen, state_.whereabouts());
  failure.exit_code = static_cast<int>(ExitCode::peer_lost);
  failure.reported_by = worker_.rank();
  return failure;
}

void FailureReport::peer_lost(const Failure& seen) const {
  const Failure failure = completed(seen);
  const bool known = failure_reported(run_folder_);
  if (write_failure(run_folder_, failure) || !known) {
    say_lost(failure);
  } else {
    // Whoever reported it is about to end everybody, with an exit code that says more than this one's.
    std::this_thread::sleep_for(std::chrono::seconds(2));
  }
  worker_.end_everybody(ExitCode::peer_lost);
}

void FailureReport::peer_silent(const Failure& seen) const {
  const Failure failure = completed(seen);
  if (write_failure(run_folder_, failure)) say_lost(failure);
}

}  // namespace convoy
