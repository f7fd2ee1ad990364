// What `convoy train` can be told: a plain struct, filled from a recipe and from flags with the same keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/optim/optimizer.hpp"
#include "core/optim/schedule.hpp"
#include "launchers/options/option_set.hpp"

namespace convoy {

struct TrainOptions {
  std::string net, data, eval_data, run, init;
  bool resume = false;
  bool json = false;

  int64_t batch = 64;       // images in one global batch
  int64_t micro_batch = 0;  // most images of one worker in its passes at once; 0: its share of the batch
  int64_t steps = 0;        // 0: by epochs
  double epochs = 0;        // 0: by steps
  int64_t seed = 1;

  std::string shuffle = "on";
  int64_t shuffle_block = 0;   // samples; 0: 4 MiB of them
  int64_t shuffle_window = 0;  // blocks; 0: 256
  std::string augment = "none", eval_augment = "none";
  int input_threads = 0;     // 0: chosen
  int64_t input_memory = 0;  // MiB; 0: what three batches take
  bool direct = false;       // past the page cache
  std::string mean = "0", scale = "1/255";

  std::string loss;  // in place of the network's own; "": that
  std::string precision = "fp32";

  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  double step_epochs = 0;                    // the schedule's step size in epochs; 0: schedule.step_size counts
  std::string milestones, milestone_epochs;  // the schedule's, as they were given: in steps or in epochs
  int64_t base_batch = 0;                    // the batch that schedule.rate is meant for; 0: any

  std::string backend = "auto";
  bool share_gpu = false;
  bool cuda_graphs = true;
  int threads = 0;  // of one worker; 0: its share of the machine's cores
  bool exact = false;
  int lanes = 0;  // of all workers; 0: chosen

  std::string exchange = "auto";        // auto, flat, hierarchical
  std::string exchange_dtype = "fp32";  // fp32, bf16
  int64_t bucket_bytes = 0;             // 0: chosen
  bool shard_optimizer = false;
  int ranks_per_node = 0;  // 0: nodes are machines

  int64_t log_every = 50, eval_every = 0, checkpoint_every = 0;  // steps; 0: only at the end
  int keep_checkpoints = 3;                                      // 0: all
  std::string profile = "none";                                  // FIRST-LAST, steps
  double timeout = 60;                                           // seconds
  std::string fault;

  std::string recipe;  // all of the above, resolved, as a recipe
};

/// The keys of `convoy train`, bound to `options`.
OptionSet train_option_set(TrainOptions& options);

/// Recipe and flags resolved. Without a recipe, `--resume` takes RUN/recipe.cfg if it is there. Throws Error(usage).
TrainOptions parse_train_options(const std::vector<std::string>& arguments);

/// Steps of `epochs` epochs over `samples` samples: ceil(epochs * samples / batch).
int64_t steps_of_epochs(double epochs, int64_t samples, int64_t batch);

/// The steps asked for, by either key.
int64_t total_steps(const TrainOptions& options, int64_t samples);

/// The schedule with everything in steps, and its rate for this batch.
ScheduleOptions resolved_schedule(const TrainOptions& options, int64_t samples);

/// A line for every choice that keys were given for which it makes no use of.
std::vector<std::string> unused_keys_text(const TrainOptions& options);

}  // namespace convoy
