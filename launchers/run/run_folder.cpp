// The run folder as rank 0 sees it.
#include "launchers/run/run_folder.hpp"

#include <filesystem>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/graph/network_text.hpp"
#include "distributed/failure.hpp"
#include "io/atomic_file.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;

std::string note(const CheckpointState& state, const std::string& key) {
  const auto found = state.notes.find(key);
  return found == state.notes.end() ? "" : found->second;
}

/// A layer line as it is meant.
std::string canonical(const LayerLine& line) {
  std::string text = line.label + ": " + line.kind;
  for (const Attribute& attribute : line.attributes) text += " " + attribute.key + "=" + attribute.value;
  return text + " from=" + join(line.from, ",");
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// An attempt that failed before its first step leaves an empty log, which nobody will miss.
bool has_rows(const std::string& metrics) {
  std::error_code error;
  const auto bytes = fs::file_size(metrics, error);
  return !error && bytes > 0;
}

}  // namespace

std::string first_difference(const std::string& stored, const std::string& asked) {
  const NetworkText a = parse_network(stored, "checkpoint"), b = parse_network(asked, "network");
  for (size_t i = 0; i < std::max(a.lines.size(), b.lines.size()); ++i) {
    if (i >= b.lines.size()) return concat("the end instead of `", canonical(a.lines[i]), "`");
    if (i >= a.lines.size() || canonical(a.lines[i]) != canonical(b.lines[i])) {
      return concat("line ", b.lines[i].line, ", `", canonical(b.lines[i]), "`");
    }
  }
  return "";
}

std::vector<std::string> check_same_run(const CheckpointState& stored, const CheckpointState& asked,
                                        const std::string& checkpoint) {
  const std::string difference = first_difference(stored.network, asked.network);
  if (!difference.empty()) {
    fail(ExitCode::usage, "net: differs from the network of ", checkpoint, ", first at ", difference,
         "; resume with the same network, or start another run with --init ", checkpoint);
  }
  const auto must_agree = [&](const std::string& key, const std::string& before, const std::string& now) {
    if (before.empty() || before == now) return;
    fail(ExitCode::usage, key, ": ", now, " is asked for, but ", checkpoint, " was made with ", before,
         "; resume with that, or start another run with --init ", checkpoint);
  };
  must_agree("seed", concat(stored.seed), concat(asked.seed));
  for (const char* key :
       {"batch", "shuffle", "shuffle-blocks", "samples-per-epoch", "dataset-id", "mean", "scale", "optimizer"}) {
    must_agree(key, note(stored, key), note(asked, key));
  }
  const auto chain = [](const CheckpointState& state, const std::string& key) {
    const std::string text = note(state, key);
    return text.empty() ? "none" : text;  // of a version that had none
  };
  must_agree("augment", chain(stored, "augment"), chain(asked, "augment"));
  if (stored.mean_image.pixels != asked.mean_image.pixels) {
    fail(ExitCode::usage, "mean image: the data's mean picture is not that of ", checkpoint,
         "; resume with the same data, or start another run with --init ", checkpoint);
  }
  // Under exact the lanes are a promise; without it they follow from the number of workers and threads.
  const bool both_exact = note(stored, "exact") == "on" && note(asked, "exact") == "on";
  if (both_exact) must_agree("lanes", note(stored, "lanes"), note(asked, "lanes"));

  std::vector<std::string> notices;
  for (const char* key : {"exact", "lanes", "passes", "machine"}) {
    const std::string before = note(stored, key), now = note(asked, key);
    if (!before.empty() && before != now) {
      notices.push_back(concat(key, " was ", before, " and is ", now, " now: the bits may differ from here on"));
    }
  }
  const std::string before = chain(stored, "eval-augment"), now = chain(asked, "eval-augment");
  if (before != now) {
    notices.push_back(
        concat("eval-augment was ", before, " and is ", now, " now: evaluations before and after do not compare"));
  }
  return notices;
}

Start claim_run_folder(const TrainOptions& options, const CheckpointState& asked, int64_t steps) {
  const std::string& run = options.run;
  Start start;
  std::error_code ignored;
  if (exists(run) && !fs::is_directory(run, ignored)) {
    fail(ExitCode::storage, run, ": is a file, not a folder; choose another --run");
  }
  const std::vector<std::string> saved = list_checkpoints(run);
  if (!options.resume && (!saved.empty() || has_rows(run + "/metrics.jsonl"))) {
    fail(ExitCode::usage, run, ": holds a run already; add --resume to go on with it, or choose another --run");
  }
  if (!saved.empty()) {
    start.checkpoint = newest_whole_checkpoint(run, start.notices);
    if (start.checkpoint.empty()) {
      fail(ExitCode::data, run, ": all ", saved.size(), " checkpoints are damaged (", join(start.notices, "; "),
           "); move them away to start anew");
    }
    const CheckpointState stored = read_checkpoint_state(start.checkpoint);
    for (const std::string& notice : check_same_run(stored, asked, start.checkpoint)) start.notices.push_back(notice);
    start.step = stored.step;
    if (start.step > steps) {
      fail(ExitCode::usage, "steps: ", steps, " are asked for, but ", start.checkpoint, " has taken ", start.step,
           "; ask for more");
    }
  }
  if (start.checkpoint.empty() && !options.init.empty() && !exists(options.init)) {
    fail(ExitCode::data, options.init, ": there is no such file; give --init a checkpoint, or leave it out");
  }
  make_writable_folder(run);
  make_writable_folder(run + "/checkpoints");
  clear_failure(run);
  write_file(run + "/recipe.cfg", options.recipe);
  return start;
}

}  // namespace convoy
