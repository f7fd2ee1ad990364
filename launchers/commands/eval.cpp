// convoy eval: the accuracy of a network on a dataset, by one worker or by all that were started.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/isa.hpp"
#include "core/base/text.hpp"
#include "core/base/timer.hpp"
#include "io/checkpoint.hpp"
#include "launchers/commands/command.hpp"
#include "launchers/run/class_names.hpp"
#include "launchers/run/device_choice.hpp"
#include "launchers/run/memory_check.hpp"
#include "launchers/run/observers.hpp"
#include "launchers/run/pixel_scaling.hpp"
#include "launchers/run/run_plan.hpp"
#include "launchers/run/shared_tuning.hpp"
#include "launchers/run/worker.hpp"

namespace convoy {
namespace {

struct EvalOptions {
  std::string checkpoint, net, init, data;
  std::string mean, scale;   // "": the checkpoint's, else 0 and 1/255
  std::string eval_augment;  // "": the checkpoint's, else none
  std::string crops = "1";
  std::string backend = "auto";
  bool share_gpu = false;
  int64_t batch = 100;
  int threads = 0;
  double timeout = 60;
  bool json = false;
};

OptionSet eval_option_set(EvalOptions& o) {
  OptionSet set("convoy eval", "--checkpoint FILE --data DIR | --net FILE --init FILE --data DIR",
                "Tells loss and accuracy over a whole dataset. Works alone and under mpirun.");
  set.text("checkpoint", o.checkpoint, "FILE", "network and weights");
  set.text("net", o.net, "FILE", "or a network text");
  set.text("init", o.init, "FILE", "with weights: a checkpoint, or any HDF5 file with /params");
  set.text("data", o.data, "DIR", "the dataset");
  set.text("mean", o.mean, "X[,X..]|dataset|image", "taken from every pixel (default the checkpoint's, without one 0)");
  set.text("scale", o.scale, "X[,X..]|dataset", "then multiplied with (default the checkpoint's, without one 1/255)");
  set.text("eval-augment", o.eval_augment, "T[, T..]|none",
           "changes made to images: resize, centre-crop (default the checkpoint's, without one none)");
  set.choice(
      "crops", o.crops, {"1", "10"},
      "10: AlexNet's, corners, centre and mirrors, in place of eval-augment's last centre-crop; their predictions "
      "are averaged");
  set.integer("batch", o.batch, {.least = 1, .most = 1 << 20}, "images that a thread takes at a time");
  set.integer("threads", o.threads, {.least = 0, .most = 4096}, "of one worker; 0: its share of the cores it may use");
  set.choice("backend", o.backend, {"auto", "cpu", "cuda"}, "auto: a GPU where there is one");
  set.on_off("share-gpu", o.share_gpu, "several workers may compute on one GPU: to rehearse where there are few");
  set.number("timeout", o.timeout, {.least = 1}, "seconds of silence after which another worker is given up");
  set.flag("json", o.json, "print the answer as one line of JSON");
  return set;
}

EvalOptions parse_eval_options(const Arguments& arguments) {
  EvalOptions options;
  OptionSet set = eval_option_set(options);
  const Assignments flags = set.read_flags(arguments);
  expect_no_words(flags, "convoy eval");
  set.apply(flags);
  const bool from_parts = !options.net.empty() && !options.init.empty();
  if (options.checkpoint.empty() && !from_parts) {
    fail(ExitCode::usage, "convoy eval: give --checkpoint FILE, or --net FILE and --init FILE");
  }
  if (!options.checkpoint.empty() && (!options.net.empty() || !options.init.empty())) {
    fail(ExitCode::usage, "convoy eval: --checkpoint holds network and weights; leave out --net and --init");
  }
  if (options.data.empty()) fail(ExitCode::usage, "convoy eval: data is missing; give --data DIR, a dataset");
  return options;
}

/// A value of the checkpoint, unless a flag gives another; the fallback without a checkpoint.
std::string chosen(const std::string& flag, const CheckpointState& state, const char* key, const char* fallback) {
  if (!flag.empty()) return flag;
  const auto note = state.notes.find(key);
  return note == state.notes.end() ? fallback : note->second;
}

/// RUN/tuning.json for RUN/checkpoints/step-N.h5.
std::string tuning_of_run(const std::string& checkpoint) {
  if (checkpoint.empty()) return "";
  return (std::filesystem::absolute(checkpoint).parent_path().parent_path() / "tuning.json").string();
}

/// The network's pictures of a dataset, one or ten of each sample.
PictureSource pictures_of(const EvalOptions& options, const Dataset& data, const Augmentation& chain,
                          const Graph& graph, const MeanImage& mean) {
  const Shape& input = graph.input();
  const MeanImage* less = mean.empty() ? nullptr : &mean;
  if (options.crops == "1") {
    check_data_fits(graph, data, chain, "eval-augment");
    return {data, input, {chain}, 0, less};
  }
  std::vector<Augmentation> crops = chain.ten_crops(input);
  check_data_fits(graph, data, crops.front(), "eval-augment");
  const Shape before = chain.before_ten_crops().output(data.image(), data.dtype());
  if (before == input) {
    fail(ExitCode::usage, "crops 10: pictures are ", before.text(),
         ", as large as the network's input, so that all ten "
         "are the same; give larger ones, by --data or --eval-augment");
  }
  return {data, input, std::move(crops), 0, less};
}

/// The checkpoint's mean picture or, without a checkpoint, the dataset's own.
MeanImage mean_image_for(const std::string& key, const CheckpointState& state, const Dataset& data) {
  if (key != "image") return {};
  return state.mean_image.empty() ? mean_image_of(data) : state.mean_image;
}

struct Answer {
  EvaluationReport report;
  double seconds = 0;
};

Answer evaluate_as_asked(const EvalOptions& options, Worker& worker) {
  std::unique_ptr<Device> device;
  std::unique_ptr<Dataset> data;
  std::optional<Graph> graph;
  std::optional<Model> model;
  CheckpointState state;
  PixelsSpec pixels;
  MeanImage mean_image;
  std::optional<EvaluationReader> reader;
  const int threads = worker.threads(options.threads);
  device = choose_device(worker, options.backend, options.share_gpu ? GpuSharing::allowed : GpuSharing::refused);
  worker.together([&] {
    const bool whole = !options.checkpoint.empty();
    if (whole) state = read_checkpoint_state(options.checkpoint);
    graph = build_graph(whole ? parse_network(state.network, options.checkpoint + " (network)")
                              : read_network(options.net));
    data = std::make_unique<Dataset>(options.data);
    check_same_classes("data", options.data, data->header().classes, options.checkpoint + "'s training data",
                       chosen("", state, "classes", ""));
    const std::string mean = chosen(options.mean, state, "mean", "0");
    mean_image = mean_image_for(mean, state, *data);
    const Augmentation chain = evaluation_chain(chosen(options.eval_augment, state, "eval-augment", "none"));
    reader.emplace(pictures_of(options, *data, chain, *graph, mean_image));
    if (!mean_image.empty()) check_mean_image(mean_image, *data, chain);
    pixels = pixel_scaling(mean, chosen(options.scale, state, "scale", "1/255"), data->header());
  });
  if (worker.leader() && !data->notice().empty()) std::fprintf(stderr, "%s\n", data->notice().c_str());
  // A run's evaluation and this one shall give the same bits: in its precision, by the algorithms that it chose.
  const std::string precision = chosen("", state, "precision", "fp32");
  const bool has_it = !device->on_host() || (precision == "bf16" && cpu_has_bf16());
  const DType compute = compute_type(has_it ? precision : "fp32", *device);
  if (worker.leader() && precision != name_of(compute)) {
    std::fprintf(stderr, "the run was in %s, which this processor does not multiply; evaluating in fp32\n",
                 precision.c_str());
  }
  const bool exact = chosen("", state, "exact", "off") == "on";
  const int64_t crops = reader->variants(), lane_batch = (options.batch + crops - 1) / crops * crops;
  const int lanes = device->on_host() ? threads : 1;
  Tuning tuning;
  const auto make = [&] {
    model.emplace(
        std::move(*graph), *device,
        ModelOptions{
            .purpose = ModelOptions::Purpose::inference,
            .pixels = pixels,
            .lanes = {.lanes = lanes, .threads = lanes, .lane_batch = lane_batch, .global_batch = lane_batch * lanes},
            .compute = compute,
            .tuning = exact ? nullptr : &tuning});
  };
  if (exact) {
    worker.together(make);
  } else {
    make_with_one_choice(worker, tuning, *device, tuning_of_run(options.checkpoint), make);
  }
  check_memory(worker, model->plan());
  worker.together([&] { check_device_memory(model->device_plan(true), *device); });
  worker.together([&] { model->allocate(); });
  worker.on_leader([&] {
    if (options.checkpoint.empty()) {
      read_initial_weights(options.init, model->arena(), Buffers::required);
    } else {
      read_checkpoint_parameters(options.checkpoint, model->arena(), {});
    }
  });
  broadcast_parameters(model->arena(), worker.control());
  model->weights_changed();
  const Timer timer;
  const EvaluationReport report = evaluate_together(*model, *reader, worker);
  return {report, timer.seconds()};
}

}  // namespace

int run_eval(const Arguments& arguments) {
  if (OptionSet::wants_help(arguments)) {
    EvalOptions defaults;
    return launched_rank() == 0 ? show_help(eval_option_set(defaults)) : 0;
  }
  const EvalOptions options = parse_eval_options(arguments);
  Worker worker({.timeout = std::chrono::duration<double>(options.timeout)});
  return worker.guard([&] {
    const Answer answer = evaluate_as_asked(options, worker);
    if (!worker.leader()) return 0;
    const EvaluationReport& report = answer.report;
    if (options.json) {
      std::puts(nlohmann::ordered_json{
          {"samples", report.samples}, {"loss", report.loss}, {"top1", report.top1}, {"top5", report.top5}}
                    .dump()
                    .c_str());
    } else {
      std::printf("%s; %s\n", evaluation_text(report).c_str(), duration_text(answer.seconds).c_str());
    }
    return 0;
  });
}

}  // namespace convoy
