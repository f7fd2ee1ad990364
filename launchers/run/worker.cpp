// This process among the workers of a run.
#include "launchers/run/worker.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "distributed/launch.hpp"
#include "distributed/sockets.hpp"
#include "launchers/options/values.hpp"

namespace convoy {
namespace {

/// Errors travel between workers as "CODE MESSAGE"; the empty text is success.
std::string status_text(const Error& error) {
  return concat(static_cast<int>(error.code()), " ", error.what());
}

[[noreturn]] void throw_agreed(const std::string& status, int rank, const std::string& host) {
  const size_t blank = status.find(' ');
  const auto code = static_cast<ExitCode>(parse_integer(status.substr(0, blank)).value_or(1));
  // All that rank 0 sees as well is said without naming anybody.
  const std::string who = rank == 0 ? "" : concat("worker ", rank, " on ", host, ": ");
  throw AgreedError(code, who + status.substr(blank + 1));
}

}  // namespace

Error current_error() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return {ExitCode::out_of_memory, "out of memory; use a smaller batch, or a machine with more"};
  } catch (const std::exception& error) {
    return {ExitCode::internal, concat("internal error: ", error.what(), "; please report it")};
  }
}

int launched_rank() {
  return this_launch().rank;
}

Worker::Worker(const CommunicatorOptions& options) {
  const Launch launch = this_launch();
  if (!launch.mismatch.empty()) fail(ExitCode::usage, launch.mismatch);
  if (launch.by_mpi) {
    world_ = std::make_unique<MpiWorld>(options);
    control_ = world_->make_communicator();
  } else {
    control_ = make_solo_communicator();
  }
}

void Worker::together(const std::function<void()>& action) {
  std::string mine;
  try {
    action();
  } catch (...) {
    mine = status_text(current_error());
  }
  const std::vector<std::string> all = control_->gather_texts(mine.empty() ? "" : host_name() + "\n" + mine);
  for (int other = 0; other < size(); ++other) {
    const std::string& text = all[static_cast<size_t>(other)];
    if (text.empty()) continue;
    const size_t line = text.find('\n');
    throw_agreed(text.substr(line + 1), other, text.substr(0, line));
  }
}

void Worker::on_leader(const std::function<void()>& action) {
  together([&] {
    if (leader()) action();
  });
}

int Worker::threads(int asked) {
  const CpuClaim mine{.host = host_name(), .cpus = allowed_cpus(), .limit = cpu_limit(), .asked = asked};
  std::vector<CpuClaim> claims;
  for (const std::string& text : control_->gather_texts(claim_text(mine))) claims.push_back(parse_claim(text));
  thread_notices_.clear();
  if (const std::string crowding = crowding_text(claims); !crowding.empty()) thread_notices_.push_back(crowding);
  std::vector<int> threads;
  for (size_t w = 0; w < claims.size(); ++w) {
    threads.push_back(claims[w].asked ? claims[w].asked : share_of_cpus(claims, w));
  }
  const auto [least, most] = std::ranges::minmax(threads);
  if (least < most) {
    thread_notices_.push_back(concat("workers could have ", least, " to ", most, " threads; all take ", least,
                                     ", so that their work is cut alike: bind them to as many cores each"));
  }
  return least;
}

void Worker::end_everybody(ExitCode code) noexcept {
  std::fflush(nullptr);
  if (world_) world_->abort(static_cast<int>(code));
  std::_Exit(static_cast<int>(code));
}

int Worker::guard(const std::function<int()>& body) {
  try {
    return body();
  } catch (const AgreedError& error) {
    if (leader()) std::fprintf(stderr, "convoy: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (...) {
    const Error error = current_error();
    if (size() == 1) {
      std::fprintf(stderr, "convoy: %s\n", error.what());
      return static_cast<int>(error.code());
    }
    std::fprintf(stderr, "convoy: worker %d on %s: %s\n", rank(), host_name().c_str(), error.what());
    end_everybody(error.code());
  }
}

}  // namespace convoy
