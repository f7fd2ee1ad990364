// Faults made on purpose, so that tests can see what happens when a worker fails.
#pragma once

#include <cstdint>
#include <string>

namespace convoy {

struct Fault {
  enum class Kind { none, kill, stop, error, slow };
  Kind kind = Kind::none;
  int rank = 0;
  int64_t step = 0;          // counted from 1, as in metrics.jsonl
  int64_t milliseconds = 0;  // slow: in every step
};

/// "kill:RANK:STEP", "stop:RANK:STEP", "error:RANK:STEP" or "slow:RANK:MILLISECONDS". Throws Error(usage).
Fault parse_fault(const std::string& text);

/// To be called as a worker starts a step: kill and stop raise SIGKILL and SIGSTOP, error throws Error(data),
/// slow sleeps.
void strike(const Fault& fault, int rank, int64_t step);

}  // namespace convoy
