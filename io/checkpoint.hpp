// Checkpoints: HDF5 files RUN/checkpoints/step-00000400.h5 (design 3).
//
//   /params/LAYER/weight|bias, /optimizer/SLOT/LAYER/weight|bias   fp32, in the arena's layouts
//   /buffers/LAYER/...   running averages, where there are any; they have no optimizer state
//   /state  attributes: step, samples, seed, and whatever text the run adds
//   /network, /recipe  the texts as string datasets
//   /mean_image  fp32 (H,W,C), where the run takes one off its pictures
//   The first 512 bytes are an HDF5 user block: "convoy checkpoint 1\n", then "bytes N\n" and "crc32c XXXXXXXX\n" of
//   all that follows the block, so that any damage is seen before anything is believed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/memory/arena.hpp"
#include "io/augment/mean_image.hpp"

namespace convoy {

struct CheckpointState {
  int64_t step = 0;
  int64_t samples = 0;
  uint64_t seed = 0;
  std::string network;                       // the network text
  std::string recipe;                        // the resolved recipe
  std::map<std::string, std::string> notes;  // instruction set, library versions, mean, scale, ...
  MeanImage mean_image;                      // with mean=image
};

/// Writes RUN/checkpoints/step-NNNNNNNN.h5 atomically and returns its path. slot_names as Optimizer::slots(). One
/// process at a time writes to a run. Checkpoints of later steps, which a resumed run found damaged, are set aside as
/// NAME.abandoned, so that they are never taken for the newest; what a killed run left half-written is removed.
std::string write_checkpoint(const std::string& run_folder, const ParameterArena& arena,
                             const std::vector<std::string>& slot_names, const CheckpointState& state);

/// State only, after the whole file's checksum was verified. Throws Error(data) naming the file when it is damaged.
CheckpointState read_checkpoint_state(const std::string& path);

/// Fills weights and optimizer state. Every segment must be there with its shape, and nothing else; a missing slot is
/// an error unless slot_names is empty. Throws Error(data) naming the parameter, both shapes and the file.
void read_checkpoint_parameters(const std::string& path, const ParameterArena& arena,
                                const std::vector<std::string>& slot_names);

/// Whether running averages must be in the file; where they may be missing, they keep their values.
enum class Buffers { required, optional };

/// Fills weights from any HDF5 file that has /params (a checkpoint, or one made by another tool: fp32 or fp64). Running
/// averages that its /buffers lack keep the values they have.
void read_initial_weights(const std::string& path, const ParameterArena& arena, Buffers buffers = Buffers::optional);

/// Checkpoints of a run, newest first (by step); temporary files are not among them.
std::vector<std::string> list_checkpoints(const std::string& run_folder);

/// The newest whole checkpoint, or "" when there is none. Damaged ones are skipped and described in `notices`.
std::string newest_whole_checkpoint(const std::string& run_folder, std::vector<std::string>& notices);

/// Removes all but the newest `keep` checkpoints; keep 0 removes none.
void prune_checkpoints(const std::string& run_folder, int keep);

}  // namespace convoy
