// The run folder as rank 0 sees it: claimed once, gone on with later, never written over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/checkpoint.hpp"
#include "launchers/options/train_options.hpp"

namespace convoy {

/// Where a run starts from.
struct Start {
  std::string checkpoint;  // "": anew
  int64_t step = 0;
  std::vector<std::string> notices;  // for people
};

/// Makes the folder, or takes it up again with --resume: then `asked` (network, seed and notes of this call) must agree
/// with what the newest whole checkpoint tells. Writes recipe.cfg. Throws Error(usage) for a folder that holds a run
/// already or is asked to go on differently, Error(data) if all checkpoints are damaged, Error(storage) if it cannot be
/// written.
Start claim_run_folder(const TrainOptions& options, const CheckpointState& asked, int64_t steps);

/// Throws Error(usage) naming the key and both values where a run cannot go on as `asked`; returns notices of what
/// differs without harm.
std::vector<std::string> check_same_run(const CheckpointState& stored, const CheckpointState& asked,
                                        const std::string& checkpoint);

/// The network texts say the same, comments and blanks apart; else the first line of `asked` that differs.
std::string first_difference(const std::string& stored, const std::string& asked);

}  // namespace convoy
