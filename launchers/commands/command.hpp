// The commands of the program `convoy`: one row each.
#pragma once

#include <string>
#include <vector>

#include "launchers/options/option_set.hpp"

namespace convoy {

using Arguments = std::vector<std::string>;

struct Command {
  std::string name;
  std::string help;  // one line
  /// Takes what follows the name; returns the exit code or throws Error.
  int (*run)(const Arguments& arguments);
};

int run_import(const Arguments& arguments);
int run_inspect(const Arguments& arguments);
int run_net(const Arguments& arguments);
int run_train(const Arguments& arguments);
int run_eval(const Arguments& arguments);
int run_bench(const Arguments& arguments);
int run_bench_allreduce(const Arguments& arguments);
int run_bench_exchange(const Arguments& arguments);
int run_bench_input(const Arguments& arguments);

const std::vector<Command>& command_table();

/// Prints on standard output what --help asks for; the exit code.
int show_help(const OptionSet& options);
/// Fails if words stand among the flags that no flag takes.
void expect_no_words(const Assignments& flags, const std::string& command);

/// The whole program but for catching errors.
int run_program(const Arguments& arguments);

}  // namespace convoy
