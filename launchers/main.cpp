// The program `convoy`: every error ends here as one line on standard error and its exit code.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>

#include "launchers/commands/command.hpp"
#include "launchers/run/worker.hpp"

namespace {

/// The usual limit of 1,024 open files is fewer than the shards of a large dataset. No further than all shards that
/// there can be: programs that MPI starts close every file that the limit allows, one by one.
void allow_open_files() {
  constexpr rlim_t most = 1 << 17;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= most) return;
  limit.rlim_cur = std::min(limit.rlim_max, most);
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  allow_open_files();
  try {
    return convoy::run_program({argv + 1, argv + argc});
  } catch (...) {
    const convoy::Error error = convoy::current_error();
    // Errors that come this far were met before the workers knew each other, by all of them alike.
    if (convoy::launched_rank() == 0) std::fprintf(stderr, "convoy: %s\n", error.what());
    return static_cast<int>(error.code());
  }
}
