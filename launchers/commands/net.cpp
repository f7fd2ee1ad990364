// convoy net: what a network costs, layer by layer.
#include "core/graph/net.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "launchers/commands/command.hpp"
#include "launchers/commands/table.hpp"
#include "launchers/run/cpus.hpp"
#include "launchers/run/lane_choice.hpp"
#include "launchers/run/model.hpp"
#include "launchers/run/progress_text.hpp"
#include "launchers/run/step_timing.hpp"
#include "launchers/run/tuning_file.hpp"

namespace convoy {
namespace {

using Json = nlohmann::ordered_json;

Json dims(const Shape& shape) {
  Json out = Json::array();
  for (int i = 0; i < shape.rank(); ++i) out.push_back(shape[i]);
  return out;
}

struct NetCommandOptions {
  std::string file;
  int64_t batch = 64;
  int threads = 0;
  bool timed = false;
  bool json = false;
};

MemoryPlan memory_of(const Graph& graph, const NetCommandOptions& options) {
  const std::unique_ptr<Device> device = make_cpu_device();
  const Shape& image = graph.input();
  const auto channels = static_cast<size_t>(image[image.rank() - 1]);
  const LaneChoice lanes = choose_lanes({.batch = options.batch,
                                         .threads = options.threads,
                                         .parameters = graph.parameters(),
                                         .mixing = graph.mixes_images() ? Mixing::within_lane : Mixing::none});
  const bool trained = graph.loss() >= 0;
  // The algorithms that were found to be fastest here, if they were looked for already: their memory differs.
  Tuning tuning(Tuning::Mode::recall);
  read_tuning_cache(tuning_machine(*device), tuning);
  // The graph is read once more because a model takes its graph over and fuses layers in it.
  const Model model(
      build_graph(read_network(options.file)), *device,
      {.purpose = trained ? ModelOptions::Purpose::training : ModelOptions::Purpose::inference,
       .pixels = {.mean = std::vector<float>(channels, 0.0f), .scale = std::vector<float>(channels, 1.0f)},
       .lanes = lanes.worker,
       .slot_names = trained ? std::vector<std::string>{"momentum"} : std::vector<std::string>{},
       .tuning = &tuning});
  return model.plan();
}

/// Of one node's output, for the whole batch.
int64_t activation_bytes(const Node& node, int64_t batch) {
  return node.output.count() * batch * static_cast<int64_t>(sizeof(float));
}

Json json_of(const Graph& graph, const MemoryPlan& memory, const NetCommandOptions& options, const StepTiming* timing) {
  Json layers = Json::array();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    layers.push_back({{"name", node.name},
                      {"kind", node.kind},
                      {"output", dims(node.output)},
                      {"parameters", node.parameters},
                      {"multiply_adds", node.layer->multiply_adds()},
                      {"receptive_field", {node.receptive_field.h, node.receptive_field.w}},
                      {"receptive_stride", {node.receptive_stride.h, node.receptive_stride.w}},
                      {"activation_bytes", activation_bytes(node, options.batch)}});
    if (!timing) continue;
    layers.back()["seconds"] = timing->layers[i].seconds();
    layers.back()["algorithms"] = timing->layers[i].algorithms;
  }
  Json bytes = {{"batch", options.batch}, {"total", memory.total()}};
  for (const MemoryPlan::Part& part : memory.parts) {
    std::string key = part.name;
    std::replace(key.begin(), key.end(), ' ', '_');
    bytes[key] = part.bytes;
  }
  Json answer = {{"layers", layers},
                 {"parameters", graph.parameters()},
                 {"multiply_adds", graph.multiply_adds()},
                 {"memory", bytes}};
  if (timing) answer["seconds"] = timing->step;
  return answer;
}

std::string extents_text(const Extent2& extent) {
  return concat(extent.h, "x", extent.w);
}

void print_table(const Graph& graph, const MemoryPlan& memory, const NetCommandOptions& options) {
  const auto right = Table::Align::right;
  Table table({{"layer"},
               {"kind"},
               {"output"},
               {"parameters", right},
               {"multiply-adds", right},
               {"sees", right},
               {"every", right},
               {concat("bytes of ", options.batch), right}});
  int64_t bytes = 0;
  for (const Node& node : graph.nodes) {
    table.row({node.name, node.kind, node.output.text(), with_commas(node.parameters),
               with_commas(node.layer->multiply_adds()), extents_text(node.receptive_field),
               extents_text(node.receptive_stride),
               human_bytes(static_cast<uint64_t>(activation_bytes(node, options.batch)))});
    bytes += activation_bytes(node, options.batch);
  }
  table.row({"all", "", "", with_commas(graph.parameters()), with_commas(graph.multiply_adds()), "", "",
             human_bytes(static_cast<uint64_t>(bytes))});
  std::fputs(table.text().c_str(), stdout);
  std::printf("memory to %s, batch %lld: %s\n", graph.loss() < 0 ? "run" : "train with momentum",
              static_cast<long long>(options.batch), memory.text().c_str());
}

void print_timing(const StepTiming& timing, int64_t batch) {
  const auto right = Table::Align::right;
  char cell[32];
  const auto ms = [&](double seconds) {
    std::snprintf(cell, sizeof cell, "%.3f", seconds * 1e3);
    return std::string(cell);
  };
  Table table({{"layer"}, {"forward ms", right}, {"backward ms", right}, {"algorithms"}});
  for (const LayerTiming& layer : timing.layers) {
    table.row({layer.name, ms(layer.forward), ms(layer.backward), layer.algorithms});
  }
  table.row({"step", ms(timing.forward), ms(timing.backward), rate_text(static_cast<double>(batch) / timing.step)});
  std::printf("\ntraining steps of %lld images on %d threads\n%s", static_cast<long long>(batch), timing.threads,
              table.text().c_str());
}

}  // namespace

int run_net(const Arguments& arguments) {
  NetCommandOptions options;
  OptionSet set(
      "convoy net", "FILE [--batch N] [--timed] [--threads T] [--json]",
      "Shows per layer: output shape, parameters, multiply-adds (forward, per image), receptive field in input\n"
      "pixels and its stride, bytes of its output; then the memory to train it with. --timed measures which\n"
      "algorithms are fastest here and what each layer takes in a training step.");
  set.integer("batch", options.batch, {.least = 1, .most = 1 << 20}, "images at a time, for bytes and times");
  set.flag("timed", options.timed, "train some steps on made-up images and tell times and algorithms");
  set.integer("threads", options.threads, {.least = 0, .most = 4096}, "0: the cores this process may use");
  set.flag("json", options.json, "print the answer as one line of JSON");
  if (OptionSet::wants_help(arguments)) return show_help(set);
  const Assignments flags = set.read_flags(arguments);
  set.apply(flags);
  if (flags.positional.size() != 1) fail(ExitCode::usage, "convoy net: give one FILE, a network text");

  options.file = flags.positional.front();
  if (options.threads == 0) options.threads = usable_cpus();
  const Graph graph = build_graph(read_network(options.file));
  std::optional<StepTiming> timing;
  if (options.timed) {
    timing =
        time_steps({.net = options.file, .batch = options.batch, .steps = 5, .warm_up = 2, .threads = options.threads});
  }
  const MemoryPlan memory = memory_of(graph, options);
  if (options.json) {
    std::puts(json_of(graph, memory, options, timing ? &*timing : nullptr).dump().c_str());
    return static_cast<int>(ExitCode::ok);
  }
  print_table(graph, memory, options);
  if (timing) print_timing(*timing, options.batch);
  return static_cast<int>(ExitCode::ok);
}

}  // namespace convoy
