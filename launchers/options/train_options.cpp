// The keys of `convoy train` and how recipe and flags are put together.
#include "launchers/options/train_options.hpp"

#include <cmath>
#include <filesystem>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "io/augment/augmentation.hpp"
#include "launchers/options/values.hpp"
#include "launchers/run/fault.hpp"
#include "launchers/run/profile.hpp"

namespace convoy {

namespace {
constexpr double most_epochs = 1e9;  // times the samples of any dataset, this many steps can still be counted
}

OptionSet train_option_set(TrainOptions& o) {
  OptionSet set("convoy train", "[RECIPE.cfg] [--key value]... --run DIR [--resume]",
                "Trains a network. Alone it is one worker; under mpirun or srun it is as many as were started.\n"
                "A recipe holds the same keys as `key = value` lines; flags beat it. Paths are relative to the current "
                "folder.\nSIGTERM, SIGINT and SIGUSR1 end the run after the current step: it saves and exits with 75.");
  set.group("What to train");
  set.text("net", o.net, "FILE", "the network text");
  set.text("loss", o.loss, "WORDS", "in place of the network's own, for example 'hinge' (default: the network's)");
  set.text("data", o.data, "DIR", "the dataset to train on");
  set.text("eval-data", o.eval_data, "DIR", "the dataset to evaluate on (default none)");
  set.text("run", o.run, "DIR", "the run folder to make");
  set.text("init", o.init, "FILE", "start from these weights: a checkpoint, or any HDF5 file with /params");
  set.flag("resume", o.resume, "go on from the newest checkpoint of the run folder; with nothing saved, start anew",
           OptionSet::Place::not_kept);

  set.group("How long");
  set.integer("batch", o.batch, {.least = 1}, "images in one global batch, all workers together");
  set.integer("micro-batch", o.micro_batch, {.least = 0},
              "images that one worker computes at once, to save memory: it adds up the gradients of several passes "
              "before the workers exchange them; 0: its whole share of batch");
  set.integer("steps", o.steps, {.least = 1}, "steps to take in all (this or epochs; default none)");
  set.number("epochs", o.epochs, {.least = 1e-9, .most = most_epochs},
             "passes over the data, in place of steps (default none)");
  set.alternatives({"steps", "epochs"});

  set.group("Data");
  set.integer("seed", o.seed, {.least = 0}, "of the initial weights and of the order of the data");
  set.choice("shuffle", o.shuffle, {"on", "blocks", "off"},
             "blocks: for data larger than memory, blocks of neighbouring samples are permuted, then samples within a "
             "window of blocks; off: samples in file order");
  set.integer("shuffle-block", o.shuffle_block, {.least = 0, .most = 1e12},
              "shuffle blocks: samples in a block; 0: 4 MiB of them");
  set.integer("shuffle-window", o.shuffle_window, {.least = 0, .most = 1e12},
              "shuffle blocks: blocks in a window; 0: 256");
  set.text("augment", o.augment, "T[, T..]|none",
           "changes made to images as they are read, one after another: " + join(transform_names(), ", "));
  set.text("eval-augment", o.eval_augment, "T[, T..]|none",
           "the same for evaluation, which draws nothing: resize and centre-crop; kept in checkpoints");
  set.integer(
      "input-threads", o.input_threads, {.least = 0, .most = 4096},
      "of each worker, that read and augment; 0: one, or as many as compute where images are decoded or resized");
  set.integer("input-memory", o.input_memory, {.least = 0, .most = 1 << 30},
              "MiB of each worker for batches read ahead; 0: for three batches");
  set.on_off("direct", o.direct, "read shards past the page cache (O_DIRECT), for data larger than memory");
  set.text("mean", o.mean, "X[,X..]|dataset|image",
           "taken from every pixel, in pixel units: one number, one per channel, or the dataset's; image: the mean "
           "picture of the dataset, at the place where each pixel came from");
  set.text("scale", o.scale, "X[,X..]|dataset",
           "then multiplied with: a number, a fraction, or one over the dataset's deviation");

  set.group("Optimizer");
  set.choice("optimizer", o.optimizer.name, optimizer_names(), "how weights are updated");
  set.number("learning-rate", o.schedule.rate, {.least = 0}, "before the schedule changes it");
  set.number("momentum", o.optimizer.momentum, {.least = 0, .most = 1},
             "of momentum, nesterov and lars (default 0.9) and rmsprop (default 0)");
  set.number("beta1", o.optimizer.beta1, {.least = 0, .most = 1}, "adam, adamw: of the average gradient");
  set.number("beta2", o.optimizer.beta2, {.least = 0, .most = 1}, "adam, adamw: of the average squared gradient");
  set.number("decay-rate", o.optimizer.decay_rate, {.least = 0, .most = 1},
             "of the averages of rmsprop (its alpha; default 0.99) and adadelta (its rho; default 0.9)");
  set.number("epsilon", o.optimizer.epsilon, {.least = 0},
             "added where an optimizer divides (default adagrad 1e-10, adadelta 1e-6, rmsprop, adam and adamw 1e-8)");
  set.number("trust", o.optimizer.trust, {.least = 0}, "lars: times |w| / (|gradient| + weight-decay |w|)");
  set.number("clip-norm", o.optimizer.clip_norm, {.least = 0},
             "scale gradients down to this norm, taken over all parameters together; 0: never");
  set.number("weight-decay", o.optimizer.weight_decay, {.least = 0},
             "L2: times the weight, added to its gradient (adamw: taken off the weight itself)");
  set.number("l1", o.optimizer.l1, {.least = 0}, "L1: times the sign of the weight, added to its gradient");
  set.on_off("decay-bias", o.optimizer.decay_bias, "weight-decay and l1 are for biases and norms too");

  set.group("Learning rate over time");
  set.choice("schedule", o.schedule.name, schedule_names(), "how the learning rate changes");
  set.integer("step-size", o.schedule.step_size, {.least = 1}, "schedule step: steps between changes (default none)");
  set.number("step-epochs", o.step_epochs, {.least = 1e-9, .most = most_epochs}, "the same in epochs (default none)");
  set.alternatives({"step-size", "step-epochs"});
  set.text("milestones", o.milestones, "N[,N..]", "schedule multistep: the steps at which it changes (default none)");
  set.text("milestone-epochs", o.milestone_epochs, "X[,X..]", "the same in epochs (default none)");
  set.alternatives({"milestones", "milestone-epochs"});
  set.number("gamma", o.schedule.gamma, {.least = 0},
             "step, multistep: the factor at each change (default 0.1); exponential: at each step; "
             "inv: (1 + gamma step)^-power");
  set.number("power", o.schedule.power, {.least = 0}, "poly: (1 - step/steps)^power; inv: (1 + gamma step)^-power");
  set.number("min-rate", o.schedule.min_rate, {.least = 0}, "cosine: the rate at the end");
  set.integer("warmup", o.schedule.warmup, {.least = 0}, "first steps, over which the learning rate rises linearly");
  set.integer("base-batch", o.base_batch, {.least = 0},
              "the batch that learning-rate is meant for: it is multiplied by batch / base-batch; 0: as it is");
  // Alone in a group, a key that nobody gave is left out of the run's recipe: its default belongs to the optimizer or
  // schedule, and another one may be chosen on top of that recipe.
  for (const char* key : {"momentum", "decay-rate", "epsilon", "gamma"}) set.alternatives({key});

  set.group("Machine");
  set.choice("backend", o.backend, {"auto", "cpu", "cuda"}, "auto: a GPU where there is one");
  set.on_off("cuda-graphs", o.cuda_graphs,
             "a step's work on a GPU is recorded once and replayed; off: queued op by op");
  set.on_off("share-gpu", o.share_gpu, "several workers may compute on one GPU: to rehearse where there are few");
  set.integer("threads", o.threads, {.least = 0, .most = 4096}, "of one worker; 0: its share of the cores it may use");
  set.choice("precision", o.precision, {"fp32", "tf32", "bf16", "auto"},
             "of conv and fc; bf16 multiplies in bf16 and adds up in fp32, auto: bf16 where the processor has it");
  set.on_off("exact", o.exact, "the same bits at any number of workers and threads");
  set.integer("lanes", o.lanes, {.least = 0, .most = 65536},
              "parts of the global batch that are summed along a fixed tree; 0: chosen (exact=on: 8)");

  set.group("Exchange between workers");
  set.choice("exchange", o.exchange, {"auto", "flat", "hierarchical"},
             "hierarchical: in shared memory within a node, by MPI across; flat: by MPI between all workers; "
             "auto: the faster one, measured at the start");
  set.choice("exchange-dtype", o.exchange_dtype, {"fp32", "bf16"},
             "of gradients between processes; bf16 halves the bytes, sums are taken in fp32");
  set.integer("bucket-bytes", o.bucket_bytes, {.least = 0},
              "gradients exchanged at a time, bytes; 0: chosen by measuring, 1 to 64 MiB");
  set.on_off("shard-optimizer", o.shard_optimizer,
             "each node keeps and updates only a part of the optimizer's state (flat: each worker does anyway)");
  set.integer("ranks-per-node", o.ranks_per_node, {.least = 0, .most = 1 << 20},
              "draw a node's border after so many workers of a machine, to rehearse many nodes on one; 0: do not");

  set.group("Reports");
  set.integer("log-every", o.log_every, {.least = 1}, "steps between rows of metrics.jsonl and lines of progress");
  set.integer("eval-every", o.eval_every, {.least = 0}, "steps between evaluations; 0: only at the end");
  set.integer("checkpoint-every", o.checkpoint_every, {.least = 0}, "steps between checkpoints; 0: only at the end");
  set.integer("keep-checkpoints", o.keep_checkpoints, {.least = 0}, "newest checkpoints to keep; 0: all");
  set.text("profile", o.profile, "FIRST-LAST|none",
           "steps to time layer by layer, for profile.json of the run folder; a profiler that waits for "
           "cudaProfilerApi gets these steps",
           OptionSet::Place::not_kept);
  set.flag("json", o.json, "print the result as one line of JSON on standard output");

  set.group("When things go wrong");
  set.number("timeout", o.timeout, {.least = 1}, "seconds of silence after which another worker is given up");
  set.text("fault", o.fault, "kill|stop|error:RANK:STEP|slow:RANK:MILLISECONDS",
           "for tests: makes worker RANK fail as it starts step STEP, counted from 1, or sleep in every step",
           OptionSet::Place::not_kept);
  return set;
}

namespace {

void require(const std::string& value, const char* key, const char* meaning) {
  if (value.empty()) fail(ExitCode::usage, key, " is missing: give --", key, " ", meaning, ", or put it in the recipe");
}

void check(const TrainOptions& o) {
  require(o.run, "run", "DIR, the run folder");
  require(o.net, "net", "FILE, the network text");
  require(o.data, "data", "DIR, the dataset to train on");
  if (o.steps == 0 && o.epochs == 0) {
    fail(ExitCode::usage, "steps or epochs is missing: say how long to train, for example --epochs 10");
  }
  // For what they refuse; an epoch of one step stands for the real ones, which only the data tells.
  make_optimizer(o.optimizer);
  const Schedule schedule(resolved_schedule(o, o.batch));
  if (!o.fault.empty()) parse_fault(o.fault);
  parse_profile(o.profile);
  [[maybe_unused]] const Augmentation augment("augment", o.augment);
  evaluation_chain(o.eval_augment);
  if (o.exact && o.exchange_dtype != "fp32") {
    fail(ExitCode::usage, "exact on: exchange-dtype ", o.exchange_dtype,
         " rounds as many times as there are workers; use --exchange-dtype fp32, or --exact off");
  }
  if (o.bucket_bytes > 0 && o.bucket_bytes < 1024) {
    fail(ExitCode::usage, "bucket-bytes ", o.bucket_bytes, ": expected at least 1024, or 0 to have it chosen");
  }
}

}  // namespace

TrainOptions parse_train_options(const std::vector<std::string>& arguments) {
  TrainOptions options;
  OptionSet set = train_option_set(options);
  const Assignments flags = set.read_flags(arguments);
  if (flags.positional.size() > 1) {
    fail(ExitCode::usage, flags.positional[1], ": a second recipe; `convoy train` takes one, and flags as --key value");
  }
  std::string recipe = flags.positional.empty() ? "" : flags.positional.front();
  if (const auto run = flags.find("run"); recipe.empty() && run && flags.find("resume")) {
    const std::string stored = *run + "/recipe.cfg";
    if (std::filesystem::exists(stored)) recipe = stored;
  }
  if (!recipe.empty()) set.apply(set.read_recipe(recipe));
  set.apply(flags);
  check(options);
  options.recipe = set.recipe();
  return options;
}

int64_t steps_of_epochs(double epochs, int64_t samples, int64_t batch) {
  const double whole = std::floor(epochs);
  if (epochs == whole && whole <= most_epochs) return (static_cast<int64_t>(whole) * samples + batch - 1) / batch;
  return static_cast<int64_t>(std::ceil(epochs * static_cast<double>(samples) / static_cast<double>(batch)));
}

namespace {

std::vector<int64_t> milestones_of(const TrainOptions& options, int64_t samples) {
  std::vector<int64_t> steps;
  if (!options.milestones.empty()) {
    for (const std::string& part : split_commas(options.milestones)) {
      const auto step = parse_integer(part);
      if (!step) {
        fail(ExitCode::usage, "milestones = ", options.milestones, ": expected whole numbers between commas, not '",
             part, "'");
      }
      steps.push_back(*step);
    }
  }
  if (!options.milestone_epochs.empty()) {
    for (const std::string& part : split_commas(options.milestone_epochs)) {
      const auto epochs = parse_number(part);
      if (!epochs || *epochs < 0 || *epochs > most_epochs) {
        fail(ExitCode::usage, "milestone-epochs = ", options.milestone_epochs,
             ": expected numbers, at least 0, between commas, not '", part, "'");
      }
      steps.push_back(steps_of_epochs(*epochs, samples, options.batch));
    }
  }
  return steps;
}

}  // namespace

int64_t total_steps(const TrainOptions& options, int64_t samples) {
  return options.steps ? options.steps : steps_of_epochs(options.epochs, samples, options.batch);
}

ScheduleOptions resolved_schedule(const TrainOptions& options, int64_t samples) {
  ScheduleOptions schedule = options.schedule;
  schedule.total = total_steps(options, samples);
  if (options.step_epochs > 0) schedule.step_size = steps_of_epochs(options.step_epochs, samples, options.batch);
  schedule.milestones = milestones_of(options, samples);
  if (options.base_batch > 0) {
    schedule.rate *= static_cast<double>(options.batch) / static_cast<double>(options.base_batch);
  }
  return schedule;
}

std::vector<std::string> unused_keys_text(const TrainOptions& options) {
  std::vector<std::string> lines;
  const auto tell = [&](std::vector<std::string> keys, const std::string& choice) {
    for (std::string& key : keys) {
      if (key == "step-size" && options.step_epochs > 0) key = "step-epochs";
      if (key == "milestones" && !options.milestone_epochs.empty()) key = "milestone-epochs";
    }
    if (!keys.empty()) lines.push_back(choice + " makes no use of " + join(keys, ", "));
  };
  tell(unused_optimizer_keys(options.optimizer), "optimizer " + options.optimizer.name);
  tell(unused_schedule_keys(resolved_schedule(options, options.batch)), "schedule " + options.schedule.name);
  return lines;
}

}  // namespace convoy
