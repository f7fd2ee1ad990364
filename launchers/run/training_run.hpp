// One training run from its options to its end; collective over the workers.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "core/train/evaluate.hpp"
#include "launchers/options/train_options.hpp"
#include "launchers/run/console.hpp"
#include "launchers/run/worker.hpp"

namespace convoy {

struct RunOutcome {
  bool finished = false;  // false: asked to stop, and saved
  int64_t step = 0, steps = 0, samples = 0;
  std::optional<EvaluationReport> evaluation;  // the last one
  std::string checkpoint;                      // the last one; rank 0 only
  double seconds = 0;
};

/// Trains. `stop` asks to save and return after the current step. Throws AgreedError where all workers know what is
/// wrong; where this one alone knows it, writes failure.json and ends everybody.
RunOutcome run_training(const TrainOptions& options, Worker& worker, Console& console, const std::atomic<bool>& stop);

}  // namespace convoy
