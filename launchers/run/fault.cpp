// Faults made on purpose.
#include "launchers/run/fault.hpp"

#include <chrono>
#include <csignal>
#include <thread>

#include "core/base/error.hpp"
#include "launchers/options/values.hpp"

namespace convoy {

namespace {
constexpr int64_t most_milliseconds = 3'600'000;
}

Fault parse_fault(const std::string& text) {
  const auto wrong = [&] {
    fail(ExitCode::usage, "fault ", text, ": expected kill:RANK:STEP, stop:RANK:STEP, error:RANK:STEP or ",
         "slow:RANK:MILLISECONDS, for example kill:1:20");
  };
  const size_t first = text.find(':'), second = text.find(':', first + 1);
  if (first == std::string::npos || second == std::string::npos) wrong();
  const std::string kind = text.substr(0, first);
  const auto rank = parse_integer(text.substr(first + 1, second - first - 1));
  const auto number = parse_integer(text.substr(second + 1));
  if (!rank || *rank < 0 || *rank > 1 << 20 || !number || *number < 1) wrong();

  Fault fault{.rank = static_cast<int>(*rank)};
  if (kind == "slow") {
    if (*number > most_milliseconds) wrong();
    fault.kind = Fault::Kind::slow;
    fault.milliseconds = *number;
    return fault;
  }
  fault.step = *number;
  if (kind == "kill") {
    fault.kind = Fault::Kind::kill;
  } else if (kind == "stop") {
    fault.kind = Fault::Kind::stop;
  } else if (kind == "error") {
    fault.kind = Fault::Kind::error;
  } else {
    wrong();
  }
  return fault;
}

void strike(const Fault& fault, int rank, int64_t step) {
  if (fault.kind == Fault::Kind::none || fault.rank != rank) return;
  if (fault.kind == Fault::Kind::slow) std::this_thread::sleep_for(std::chrono::milliseconds(fault.milliseconds));
  if (fault.step != step) return;
  if (fault.kind == Fault::Kind::kill) raise(SIGKILL);
  if (fault.kind == Fault::Kind::stop) raise(SIGSTOP);
  if (fault.kind == Fault::Kind::error) fail(ExitCode::data, "made to fail at step ", step, " by the key fault");
}

}  // namespace convoy
