// What a training run is going to do.
#include "launchers/run/run_plan.hpp"

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/isa.hpp"
#include "core/base/text.hpp"
#include "core/train/tree_sum.hpp"
#include "launchers/run/class_names.hpp"
#include "launchers/run/model.hpp"
#include "launchers/run/pixel_scaling.hpp"

namespace convoy {

namespace {

// What an encoded image takes, for the size of blocks: about that of ImageNet's.
constexpr uint64_t encoded_bytes = 100 << 10;

/// The device without its number of threads: lanes tell what bits depend on.
std::string machine_of(const Device& device) {
  std::string text = device.describe();
  const size_t word = text.find(" thread");
  if (word == std::string::npos) return text;
  const size_t begin = text.rfind(", ", word), end = text.find(", ", word);
  return text.erase(begin, end - begin);
}

}  // namespace

Shuffle shuffle_of(const TrainOptions& options) {
  return options.shuffle == "on" ? Shuffle::on : options.shuffle == "off" ? Shuffle::off : Shuffle::blocks;
}

BlockShuffle blocks_of(const TrainOptions& options, const Dataset& data) {
  return BlockShuffle::of(data.encoding() == Encoding::raw ? data.image_bytes() : encoded_bytes, options.shuffle_block,
                          options.shuffle_window);
}

RunPlan make_run_plan(const TrainOptions& options, const Device& device, int workers, int threads) {
  RunPlan plan;
  if (!options.fault.empty()) plan.fault = parse_fault(options.fault);
  plan.optimizer = make_optimizer(options.optimizer);
  const NetworkText network = read_network(options.net);
  plan.graph = build_graph(options.loss.empty() ? network : with_loss(network, options.loss));
  plan.network = plan.graph.text.text;
  plan.compute = compute_type(options.precision, device);
  const ReadOptions read{.access = options.direct ? ReadOptions::Access::direct : ReadOptions::Access::page_cache};
  plan.data = std::make_unique<Dataset>(options.data, read);
  plan.augment = Augmentation("augment", options.augment);
  plan.eval_augment = Augmentation("eval-augment", options.eval_augment);
  check_data_fits(plan.graph, *plan.data, plan.augment, "augment");
  if (!options.eval_data.empty()) {
    plan.eval_data = std::make_unique<Dataset>(options.eval_data, read);
    check_data_fits(plan.graph, *plan.eval_data, plan.eval_augment, "eval-augment");
    if (plan.eval_data->dtype() != plan.data->dtype()) {
      fail(ExitCode::usage, "eval-data ", options.eval_data, ": its images are ", name_of(plan.eval_data->dtype()),
           ", those to train on are ", name_of(plan.data->dtype()), "; import both alike");
    }
    check_same_classes("eval-data", plan.eval_data->folder(), plan.eval_data->header().classes, plan.data->folder(),
                       class_note(plan.data->header().classes));
  }
  plan.pixels = pixel_scaling(options.mean, options.scale, plan.data->header());
  if (options.mean == "image") {
    plan.mean_image = mean_image_of(*plan.data);
    check_mean_image(plan.mean_image, *plan.data, plan.augment);
    if (plan.eval_data) check_mean_image(plan.mean_image, *plan.eval_data, plan.eval_augment);
  }
  plan.shuffle = shuffle_of(options);
  plan.blocks = blocks_of(options, *plan.data);
  plan.lanes = choose_lanes({.batch = options.batch,
                             .workers = workers,
                             .threads = device.on_host() ? threads : 1,
                             .lanes = options.lanes,
                             .micro_batch = options.micro_batch,
                             .parameters = plan.graph.parameters(),
                             .mixing = plan.graph.mixes_images() ? Mixing::within_lane : Mixing::none,
                             .bits = options.exact ? Bits::exact : Bits::repeatable});
  if (!device.on_host() && plan.lanes.worker.lanes > most_tree_sum_contributions) {
    fail(ExitCode::usage, "lanes ", plan.lanes.total_lanes, ": a GPU sums at most ", most_tree_sum_contributions,
         " of them, and each worker would have ", plan.lanes.worker.lanes, "; use --lanes ",
         most_tree_sum_contributions * workers, " or more workers");
  }
  plan.input = plan_input(training_pictures(plan, plan.graph.input(), 0),
                          {.share = options.batch / workers,
                           .threads = options.input_threads,
                           .worker_threads = threads,
                           .most_bytes = static_cast<uint64_t>(options.input_memory) << 20});
  plan.steps = total_steps(options, plan.data->size());
  plan.profile = profile_window(options.profile, plan.steps);
  plan.schedule = std::make_unique<Schedule>(resolved_schedule(options, plan.data->size()));
  return plan;
}

PictureSource training_pictures(const RunPlan& plan, const Shape& input, uint64_t seed) {
  return {*plan.data, input, {plan.augment}, seed, plan.mean_image.empty() ? nullptr : &plan.mean_image};
}

PictureSource evaluation_pictures(const RunPlan& plan, const Shape& input) {
  return {*plan.eval_data, input, {plan.eval_augment}, 0, plan.mean_image.empty() ? nullptr : &plan.mean_image};
}

DType compute_type(const std::string& precision, const Device& device) {
  if (!device.on_host()) return precision == "fp32" ? DType::f32 : precision == "tf32" ? DType::tf32 : DType::bf16;
  if (precision == "tf32") fail(ExitCode::usage, "precision tf32: only GPUs have it; use --precision fp32 on a CPU");
  if (precision == "fp32" || (precision == "auto" && !cpu_has_bf16())) return DType::f32;
  if (cpu_has_bf16()) return DType::bf16;
  fail(ExitCode::usage,
       "precision bf16: this processor has neither AVX512-BF16 nor AMX; use --precision fp32, or auto");
}

CheckpointState describe_run(const TrainOptions& options, const RunPlan& plan, const Device& device) {
  CheckpointState state;
  state.seed = static_cast<uint64_t>(options.seed);
  state.network = plan.network;
  state.recipe = options.recipe;
  state.notes = {{"batch", concat(options.batch)},
                 {"shuffle", options.shuffle},
                 {"augment", plan.augment.text()},
                 {"eval-augment", plan.eval_augment.text()},
                 {"samples-per-epoch", concat(plan.data->size())},
                 {"dataset-id", plan.data->header().dataset_id},
                 {"mean", plan.mean_image.empty() ? channel_text(plan.pixels.mean) : "image"},
                 {"scale", channel_text(plan.pixels.scale)},
                 {"optimizer", options.optimizer.name},
                 {"exact", options.exact ? "on" : "off"},
                 {"lanes", concat(plan.lanes.total_lanes)},
                 {"passes", concat(plan.lanes.worker.passes)},
                 {"precision", name_of(plan.compute)},
                 {"machine", machine_of(device)},
                 {"convoy", CONVOY_VERSION}};
  if (plan.shuffle == Shuffle::blocks) {
    state.notes["shuffle-blocks"] = concat(plan.blocks.block, " samples, windows of ", plan.blocks.window);
  }
  if (const std::string classes = class_note(plan.data->header().classes); !classes.empty()) {
    state.notes["classes"] = classes;
  }
  state.mean_image = plan.mean_image;
  return state;
}

std::vector<std::string> opening_lines(const TrainOptions& options, const RunPlan& plan, const Graph& graph,
                                       const Device& device, const std::string& workers) {
  const LaneOptions& lanes = plan.lanes.worker;
  const Dataset& data = *plan.data;
  std::vector<std::string> lines{
      concat("convoy ", CONVOY_VERSION, ": ", workers, "; each ", machine_of(device), ", ",
             lanes.passes == 1 ? "" : concat(lanes.passes, " passes of "), lanes.lanes, " x ", lanes.lane_batch,
             " images on ", lanes.threads, lanes.threads == 1 ? " thread" : " threads",
             plan.compute == DType::f32 ? "" : concat(", ", name_of(plan.compute)), options.exact ? ", exact" : ""),
      concat("network ", options.net, ": ", with_commas(graph.parameters()), " parameters, ",
             with_commas(graph.multiply_adds()), " multiply-adds an image"),
      concat("data ", options.data, ": ", with_commas(data.size()), " images ", size_text(data.image()), ", ",
             data.class_count(), " classes; ", with_commas(plan.steps), " steps of ", options.batch, " images")};
  if (!plan.augment.empty()) lines.push_back("augment " + plan.augment.text());
  if (plan.shuffle == Shuffle::blocks) {
    lines.push_back(concat("shuffle blocks of ", with_commas(plan.blocks.block), " samples, ",
                           with_commas(plan.blocks.window), " in a window"));
  }
  for (std::string& line : unused_keys_text(options)) lines.push_back(std::move(line));
  for (const Dataset* dataset : {plan.data.get(), plan.eval_data.get()}) {
    if (dataset && !dataset->notice().empty()) lines.push_back(dataset->notice());
  }
  if (options.precision == "auto" && plan.compute == DType::f32) {
    lines.emplace_back("precision auto: this processor does not multiply bf16 numbers, so this run is in fp32");
  }
  return lines;
}

}  // namespace convoy
