// convoy bench: what this machine does, against its own limits. `step`: whole training steps on made-up images in
// memory, without reading or exchange. `ops`: each layer of a network by itself. `allreduce` and `exchange`: what
// workers do between steps (bench_exchange.cpp). `input`: reading and decoding (bench_input.cpp).
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.hpp"
#include "launchers/commands/command.hpp"
#include "launchers/commands/table.hpp"
#include "launchers/run/op_timing.hpp"
#include "launchers/run/progress_text.hpp"

namespace convoy {
namespace {

using Json = nlohmann::ordered_json;
constexpr auto right = Table::Align::right;

std::string number(const char* format, double value) {
  char cell[80];
  std::snprintf(cell, sizeof cell, format, value);
  return cell;
}
std::string milliseconds(double seconds) {
  return number("%.3f", seconds * 1e3);
}
std::string share_text(const LayerTiming& layer, const MachinePeak& peak) {
  return number("%.0f %% of ", 100 * layer.share_of(peak)) + (layer.bound_by_products(peak) ? peak.products : "copy");
}
/// How many times its floor a layer took.
std::string over_floor_text(const LayerTiming& layer, const MachinePeak& peak) {
  const double floor = layer.floor(peak);
  return floor > 0 ? number("%.1f", layer.seconds() / floor) : "";
}
std::string peak_text(const MachinePeak& peak) {
  return std::string("peak of this ") + (peak.gpu ? "GPU: " : "machine: ") + peak.products +
         number(" %.0f GFLOP/s", peak.flops / 1e9) + number(", copy %.1f GB/s", peak.bytes_copied / 1e9);
}
Json json_of(const MachinePeak& peak) {
  return {{"of", peak.gpu ? "GPU" : "machine"},
          {"products", peak.products},
          {"flops_per_second", peak.flops},
          {"bytes_copied_per_second", peak.bytes_copied}};
}

int bench_step(const TimingOptions& options, bool json) {
  const StepTiming timing = time_steps(options);
  const std::vector<std::pair<std::string, double>> phases = {
      {"step", timing.step}, {"forward", timing.forward}, {"backward", timing.backward}, {"update", timing.update}};
  const double rate = static_cast<double>(options.batch) / timing.step;
  if (json) {
    Json seconds, layers = Json::array();
    for (const auto& [name, value] : phases) seconds[name] = value;
    for (const LayerTiming& layer : timing.layers) {
      layers.push_back({{"name", layer.name},
                        {"kind", layer.kind},
                        {"forward", layer.forward},
                        {"backward", layer.backward},
                        {"seconds", layer.seconds()},
                        {"floor", layer.floor(timing.peak)},
                        {"share_of_peak", layer.share_of(timing.peak)},
                        {"algorithms", layer.algorithms}});
    }
    std::puts(Json{{"images_per_second", rate},
                   {"batch", options.batch},
                   {"micro_batch", options.micro_batch ? options.micro_batch : options.batch},
                   {"threads", timing.threads},
                   {"steps", options.steps},
                   {"precision", options.precision},
                   {"notice", timing.notice},
                   {"planned_bytes", timing.planned_bytes},
                   {"peak_bytes", timing.peak_bytes},
                   {"seconds", seconds},
                   {"layers", layers},
                   {"peak", json_of(timing.peak)}}
                  .dump()
                  .c_str());
    return 0;
  }
  if (!timing.notice.empty()) std::printf("%s\n", timing.notice.c_str());
  std::printf("%s, batch %lld, %d threads, %lld lanes, %s: %s (median of %lld steps)\n%s\n", options.net.c_str(),
              static_cast<long long>(options.batch), timing.threads, static_cast<long long>(timing.lanes),
              options.precision.c_str(), rate_text(rate).c_str(), static_cast<long long>(options.steps),
              peak_text(timing.peak).c_str());
  Table table({{"layer"},
               {"forward ms", right},
               {"backward ms", right},
               {"floor ms", right},
               {"times floor", right},
               {"reached", right},
               {"algorithms"}});
  for (const LayerTiming& layer : timing.layers) {
    table.row({layer.name, milliseconds(layer.forward), milliseconds(layer.backward),
               milliseconds(layer.floor(timing.peak)), over_floor_text(layer, timing.peak),
               share_text(layer, timing.peak), layer.algorithms});
  }
  table.row({"all", milliseconds(timing.forward), milliseconds(timing.backward), "", "", "", ""});
  std::fputs(table.text().c_str(), stdout);
  std::printf("update %s ms (overlaps backward), step %s ms\n", milliseconds(timing.update).c_str(),
              milliseconds(timing.step).c_str());
  return 0;
}

int bench_ops(const TimingOptions& options, bool json) {
  const OpTimings timings = time_ops(options);
  if (json) {
    Json ops = Json::array();
    for (const OpTiming& op : timings.ops) {
      ops.push_back({{"name", op.layer.name},
                     {"kind", op.layer.kind},
                     {"forward", op.forward},
                     {"backward_data", op.backward_data},
                     {"backward_weights", op.backward_weights},
                     {"seconds", op.layer.seconds()},
                     {"floor", op.layer.floor(timings.peak)},
                     {"share_of_peak", op.layer.share_of(timings.peak)},
                     {"algorithms", op.layer.algorithms}});
    }
    std::puts(
        Json{{"batch", options.batch}, {"threads", timings.threads}, {"ops", ops}, {"peak", json_of(timings.peak)}}
            .dump()
            .c_str());
    return 0;
  }
  std::printf("%s, batch %lld, %d threads, %s, each layer by itself (medians of %lld)\n%s\n", options.net.c_str(),
              static_cast<long long>(options.batch), timings.threads, options.precision.c_str(),
              static_cast<long long>(options.steps), peak_text(timings.peak).c_str());
  Table table({{"layer"},
               {"forward ms", right},
               {"backward data ms", right},
               {"backward weights ms", right},
               {"floor ms", right},
               {"times floor", right},
               {"reached", right},
               {"algorithms"}});
  LayerTiming all;
  for (const OpTiming& op : timings.ops) {
    table.row({op.layer.name, milliseconds(op.forward), milliseconds(op.backward_data),
               milliseconds(op.backward_weights), milliseconds(op.layer.floor(timings.peak)),
               over_floor_text(op.layer, timings.peak), share_text(op.layer, timings.peak), op.layer.algorithms});
    all.forward += op.layer.forward, all.backward += op.layer.backward;
  }
  std::fputs(table.text().c_str(), stdout);
  std::printf("all layers: forward %s ms, backward %s ms\n", milliseconds(all.forward).c_str(),
              milliseconds(all.backward).c_str());
  return 0;
}

}  // namespace

int run_bench(const Arguments& arguments) {
  const std::string first = arguments.empty() ? "" : arguments.front();
  if (first == "allreduce") return run_bench_allreduce({arguments.begin() + 1, arguments.end()});
  if (first == "exchange") return run_bench_exchange({arguments.begin() + 1, arguments.end()});
  if (first == "input") return run_bench_input({arguments.begin() + 1, arguments.end()});
  TimingOptions options;
  bool json = false;
  OptionSet set(
      "convoy bench",
      "step|ops --net FILE [--batch N] [--micro-batch M] [--threads T] [--precision P] [--steps S] [--json]\n"
      "       convoy bench input ...: see convoy bench input --help\n"
      "       convoy bench allreduce|exchange ... under mpirun: see convoy bench allreduce --help",
      "step: trains on made-up images in memory, with momentum, and tells images a second and the time of each "
      "layer\n(medians over the steps after the warm-up; layers: means). ops: times each layer by itself, pass by "
      "pass.\nBoth first measure what the machine can do at best; at that each layer would take its floor, the least "
      "for "
      "its\narithmetic or its memory.");
  set.text("net", options.net, "FILE", "the network text");
  set.integer("batch", options.batch, {.least = 1, .most = 1 << 20}, "images in one step");
  set.integer("micro-batch", options.micro_batch, {.least = 0, .most = 1 << 20},
              "step: images computed at once, in several passes a step; 0: all of the batch");
  set.integer("threads", options.threads, {.least = 0, .most = 4096}, "0: the cores this process may use");
  set.choice("backend", options.backend, {"auto", "cpu", "cuda"}, "auto: a GPU where there is one");
  set.on_off("cuda-graphs", options.recorded, "step: as in convoy train");
  set.choice("precision", options.precision, {"fp32", "tf32", "bf16", "auto"}, "of conv and fc");
  set.integer("steps", options.steps, {.least = 1, .most = 1e9}, "steps to measure, or calls of each pass");
  set.integer("warm-up", options.warm_up, {.least = 0, .most = 1e9}, "steps before that are not counted");
  set.flag("json", json, "print the answer as one line of JSON");
  if (OptionSet::wants_help(arguments)) return show_help(set);
  const Assignments flags = set.read_flags(arguments);
  set.apply(flags);
  const std::string what = flags.positional.size() == 1 ? flags.positional.front() : "";
  if (what != "step" && what != "ops") {
    fail(ExitCode::usage,
         "convoy bench: say what to measure, step, ops, input, allreduce or exchange: convoy bench step --net FILE");
  }
  if (options.net.empty()) {
    fail(ExitCode::usage, "convoy bench ", what, ": net is missing; give --net FILE, a network text");
  }
  return what == "step" ? bench_step(options, json) : bench_ops(options, json);
}

}  // namespace convoy
