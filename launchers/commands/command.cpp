// The table of commands, and what the program says about itself.
#include "launchers/commands/command.hpp"

#include <cstdio>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/device/device.hpp"

namespace convoy {
namespace {

std::string program_help() {
  std::string text =
      "Convoy trains convolutional networks, data-parallel, on one machine or many.\n\n"
      "Usage: convoy COMMAND [--key value]...\n\nCommands:\n";
  for (const Command& command : command_table()) {
    text += "  " + command.name + std::string(10 - command.name.size(), ' ') + command.help + "\n";
  }
  return text +
         "\n`convoy COMMAND --help` lists what a command takes; `convoy --version` tells versions.\n\n"
         "Exit codes:\n"
         "   0  done\n"
         "   1  a defect in Convoy\n"
         "   2  a flag, a recipe or a network text is wrong\n"
         "   3  a dataset, an IDX file, a shard or a checkpoint is missing or damaged\n"
         "   4  not enough memory\n"
         "   5  diverged: the loss is no longer finite\n"
         "   6  another worker died or went silent\n"
         "   7  the run folder or output cannot be written, or is full\n"
         "  75  asked to stop (SIGTERM, SIGINT, SIGUSR1): saved, run again with --resume\n";
}

std::string version_text() {
  return concat("convoy ", CONVOY_VERSION, "\n", make_cpu_device()->describe(), "\nMPI ", CONVOY_MPI_VERSION, ", HDF5 ",
                CONVOY_HDF5_VERSION, "\n");
}

}  // namespace

const std::vector<Command>& command_table() {
  static const std::vector<Command> table = {
      {"import", "bring a dataset in", run_import},
      {"inspect", "what is in a dataset, a shard or a checkpoint", run_inspect},
      {"net", "what a network costs, layer by layer", run_net},
      {"train", "train a network", run_train},
      {"eval", "the accuracy of a network on a dataset", run_eval},
      {"bench", "how fast this machine is", run_bench},
  };
  return table;
}

int show_help(const OptionSet& options) {
  std::fputs(options.help().c_str(), stdout);
  return static_cast<int>(ExitCode::ok);
}

void expect_no_words(const Assignments& flags, const std::string& command) {
  if (flags.positional.empty()) return;
  fail(ExitCode::usage, flags.positional.front(), ": ", command, " takes flags only, as --key value; `", command,
       " --help` lists them");
}

int run_program(const Arguments& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "help") {
    std::fputs(program_help().c_str(), arguments.empty() ? stderr : stdout);
    return static_cast<int>(arguments.empty() ? ExitCode::usage : ExitCode::ok);
  }
  if (arguments[0] == "--version") {
    std::fputs(version_text().c_str(), stdout);
    return static_cast<int>(ExitCode::ok);
  }
  std::vector<std::string> names;
  for (const Command& command : command_table()) {
    if (command.name == arguments[0]) return command.run({arguments.begin() + 1, arguments.end()});
    names.push_back(command.name);
  }
  const std::string nearest = nearest_word(arguments[0], names);
  fail(ExitCode::usage, arguments[0], ": there is no such command; ",
       nearest.empty() ? "there are " + join(names, ", ") : "did you mean '" + nearest + "'?");
}

}  // namespace convoy
