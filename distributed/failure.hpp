// failure.json: who failed, where and why, written once by whoever sees it first.
#pragma once

#include <cstdint>
#include <string>

namespace convoy {

struct Failure {
  int rank = -1;      // that failed; -1 unknown
  std::string host;   // of that rank, "" unknown
  int64_t step = 0;   // last step it was known to be in
  std::string phase;  // "input", "forward", "backward", "exchange", "evaluate", "checkpoint", "start"
  int bucket = -1;
  std::string cause;  // one line: "killed: its connection closed", "silent for 60 s", the error's text
  int exit_code = 1;
  int reported_by = 0;
  bool silent = false;  // judged by its silence, not by what it did or by the end of its connection; not in the file
};

/// Creates RUN/failure.json exclusively and syncs it. Returns false (and leaves the file alone) when it is there
/// already or cannot be written; never throws. A stale one from an earlier attempt is renamed away by clear_failure()
/// at start. Where a link is cut, both sides miss each other, and launchers may end either first: what rank 0 says of a
/// silent worker then takes the place of a report that rank 0 is lost.
bool write_failure(const std::string& run_folder, const Failure& failure) noexcept;

/// At the start of a run, on rank 0: moves failure.json to failure-N.json, N the first free number.
void clear_failure(const std::string& run_folder);

}  // namespace convoy
