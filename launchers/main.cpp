// The program `convoy`: every error ends here as one line on standard error and its exit code.
#include <cstdio>

#include "launchers/commands/command.hpp"
#include "launchers/run/worker.hpp"

int main(int argc, char** argv) {
  try {
    return convoy::run_program({argv + 1, argv + argc});
  } catch (...) {
    const convoy::Error error = convoy::current_error();
    // Errors that come this far were met before the workers knew each other, by all of them alike.
    if (convoy::launched_rank() == 0) std::fprintf(stderr, "convoy: %s\n", error.what());
    return static_cast<int>(error.code());
  }
}
