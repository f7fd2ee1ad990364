// Errors and the exit codes of every convoy program.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace convoy {

/// What the process returns to the shell; batch scripts act on these, so the numbers are part of the interface.
/// README.md's table "Exit codes" is checked against this list by a test.
enum class ExitCode : int {
  ok = 0,
  internal = 1,       // a defect in Convoy
  usage = 2,          // a flag, a recipe or a network text is wrong
  data = 3,           // a dataset, an IDX file, a shard or a checkpoint is missing or damaged
  out_of_memory = 4,  // the memory plan does not fit
  diverged = 5,       // the loss is no longer finite
  peer_lost = 6,      // another worker died or went silent
  storage = 7,        // the run folder cannot be written, or is full
  preempted = 75,     // asked to stop (SIGTERM, SIGINT, SIGUSR1): saved, run again with --resume
};

/// An error a user can act on. `what()` is one line: what, where, why and what to do.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// The arguments written one after another, as `operator<<` writes them.
template <typename... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

/// Throws Error(code, concat(args...)).
template <typename... Args>
[[noreturn]] void fail(ExitCode code, const Args&... args) {
  throw Error(code, concat(args...));
}

}  // namespace convoy
