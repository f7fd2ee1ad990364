// convoy net: what a network costs, layer by layer.
#include "core/graph/net.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "launchers/commands/command.hpp"
#include "launchers/commands/table.hpp"
#include "launchers/run/model.hpp"

namespace convoy {
namespace {

using Json = nlohmann::ordered_json;

Json dims(const Shape& shape) {
  Json out = Json::array();
  for (int i = 0; i < shape.rank(); ++i) out.push_back(shape[i]);
  return out;
}

MemoryPlan memory_of(const Graph& graph, const std::string& file, int64_t batch) {
  const std::unique_ptr<Device> device = make_cpu_device();
  const auto channels = static_cast<size_t>(graph.input()[2]);
  const PixelsSpec pixels{.mean = std::vector<float>(channels, 0.0f), .scale = std::vector<float>(channels, 1.0f)};
  const auto purpose = graph.loss() < 0 ? Model::Purpose::inference : Model::Purpose::training;
  // The graph is read once more because a model takes its graph over and fuses layers in it.
  const Model model(build_graph(read_network(file)), *device, pixels, {.lane_batch = batch, .global_batch = batch},
                    purpose, {"momentum"});
  return model.plan();
}

Json json_of(const Graph& graph, const MemoryPlan& memory, int64_t batch) {
  Json layers = Json::array();
  for (const Node& node : graph.nodes) {
    layers.push_back({{"name", node.name},
                      {"kind", node.kind},
                      {"output", dims(node.output)},
                      {"parameters", node.parameters},
                      {"multiply_adds", node.layer->multiply_adds()},
                      {"receptive_field", {node.receptive_field.h, node.receptive_field.w}}});
  }
  Json bytes = {{"batch", batch}, {"total", memory.total()}};
  for (const MemoryPlan::Part& part : memory.parts) {
    std::string key = part.name;
    std::replace(key.begin(), key.end(), ' ', '_');
    bytes[key] = part.bytes;
  }
  return {{"layers", layers},
          {"parameters", graph.parameters()},
          {"multiply_adds", graph.multiply_adds()},
          {"memory", bytes}};
}

void print_table(const Graph& graph, const MemoryPlan& memory, int64_t batch) {
  const auto right = Table::Align::right;
  Table table({{"layer"}, {"kind"}, {"output"}, {"parameters", right}, {"multiply-adds", right}, {"sees", right}});
  for (const Node& node : graph.nodes) {
    table.row({node.name, node.kind, node.output.text(), with_commas(node.parameters),
               with_commas(node.layer->multiply_adds()), concat(node.receptive_field.h, "x", node.receptive_field.w)});
  }
  table.row({"all", "", "", with_commas(graph.parameters()), with_commas(graph.multiply_adds()), ""});
  std::fputs(table.text().c_str(), stdout);
  std::printf("memory to train with momentum, batch %lld: %s\n", static_cast<long long>(batch), memory.text().c_str());
}

}  // namespace

int run_net(const Arguments& arguments) {
  int64_t batch = 64;
  bool json = false;
  OptionSet set("convoy net", "FILE [--batch N] [--json]",
                "Shows per layer: output shape, parameters, multiply-adds (forward, per image) and receptive field in\n"
                "input pixels; then the memory to train it with.");
  set.integer("batch", batch, {.least = 1, .most = 1 << 20}, "images at a time, for the memory");
  set.flag("json", json, "print the answer as one line of JSON");
  if (OptionSet::wants_help(arguments)) return show_help(set);
  const Assignments flags = set.read_flags(arguments);
  set.apply(flags);
  if (flags.positional.size() != 1) fail(ExitCode::usage, "convoy net: give one FILE, a network text");

  const std::string& file = flags.positional.front();
  const Graph graph = build_graph(read_network(file));
  const MemoryPlan memory = memory_of(graph, file, batch);
  if (json) {
    std::puts(json_of(graph, memory, batch).dump().c_str());
  } else {
    print_table(graph, memory, batch);
  }
  return static_cast<int>(ExitCode::ok);
}

}  // namespace convoy
