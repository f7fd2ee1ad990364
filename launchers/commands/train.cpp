// convoy train: training a network, alone or as one of the workers that mpirun or srun started.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "launchers/commands/command.hpp"
#include "launchers/options/train_options.hpp"
#include "launchers/run/failure_report.hpp"
#include "launchers/run/observers.hpp"
#include "launchers/run/progress_text.hpp"
#include "launchers/run/signals.hpp"
#include "launchers/run/training_run.hpp"

namespace convoy {
namespace {

std::string json_of(const TrainOptions& options, const RunOutcome& outcome) {
  nlohmann::ordered_json json = {{"run", options.run},         {"finished", outcome.finished},
                                 {"step", outcome.step},       {"steps", outcome.steps},
                                 {"samples", outcome.samples}, {"checkpoint", outcome.checkpoint},
                                 {"seconds", outcome.seconds}};
  if (outcome.evaluation) {
    json["loss"] = outcome.evaluation->loss;
    json["top1"] = outcome.evaluation->top1;
    json["top5"] = outcome.evaluation->top5;
  }
  return json.dump();
}

void say_outcome(const TrainOptions& options, const RunOutcome& outcome, Console& console) {
  if (!outcome.finished) {
    console.say(concat("stopped after step ", outcome.step, " of ", outcome.steps, ", saved ", outcome.checkpoint,
                       "; go on with --resume"));
  } else if (!outcome.checkpoint.empty() && outcome.seconds > 0) {
    const std::string accuracy = outcome.evaluation ? evaluation_text(*outcome.evaluation) + "; " : "";
    console.say(concat("done: ", accuracy, "run folder ", options.run, "; ", duration_text(outcome.seconds)));
  }
  if (options.json) std::puts(json_of(options, outcome).c_str());
}

}  // namespace

int run_train(const Arguments& arguments) {
  if (OptionSet::wants_help(arguments)) {
    TrainOptions defaults;
    return launched_rank() == 0 ? show_help(train_option_set(defaults)) : 0;
  }
  const TrainOptions options = parse_train_options(arguments);
  Console console(launched_rank() == 0 ? Voice::speaking : Voice::silent);
  // Before MPI starts its threads, so that they leave these signals alone.
  const StopSignals signals([&](const std::string& name) {
    // A launcher ends what is left of a failed run with SIGTERM: there is nothing to save then.
    if (failure_reported(options.run)) return;
    const std::string again = name == "SIGINT" ? "; a second Ctrl-C ends at once, without saving" : "";
    console.say(name + ": stopping after this step and saving" + again);
  });
  Worker worker({.timeout = std::chrono::duration<double>(options.timeout)});
  return worker.guard([&] {
    const RunOutcome outcome = run_training(options, worker, console, signals.requested());
    if (worker.leader()) say_outcome(options, outcome, console);
    return static_cast<int>(outcome.finished ? ExitCode::ok : ExitCode::preempted);
  });
}

}  // namespace convoy
