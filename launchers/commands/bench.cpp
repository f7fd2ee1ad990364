// convoy bench: what this machine does. `step`: training on made-up images in memory, without reading or exchange.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/error.hpp"
#include "core/base/random.hpp"
#include "core/base/text.hpp"
#include "core/train/local_sink.hpp"
#include "core/train/trainer.hpp"
#include "launchers/commands/command.hpp"
#include "launchers/commands/table.hpp"
#include "launchers/run/lane_choice.hpp"
#include "launchers/run/model.hpp"
#include "launchers/run/progress_text.hpp"

namespace convoy {
namespace {

struct BenchOptions {
  std::string net;
  int64_t batch = 64, steps = 50, warm_up = 5;
  int threads = 0;
  bool json = false;
};

/// The same random batch over and over.
class MadeUpBatch : public BatchSource {
 public:
  MadeUpBatch(const Shape& image, int64_t classes, int64_t count)
      : pixels_(static_cast<size_t>(image.count() * count)), labels_(static_cast<size_t>(count)) {
    const RandomStream random(1, RandomPurpose::test, 0);
    for (size_t i = 0; i < pixels_.size(); ++i) pixels_[i] = static_cast<uint8_t>(random.block(i / 4).word[i % 4]);
    for (size_t i = 0; i < labels_.size(); ++i) labels_[i] = static_cast<int32_t>(static_cast<int64_t>(i) % classes);
    batch_ = {.images = {.data = pixels_.data(), .shape = image.batched(count), .dtype = DType::u8}, .labels = labels_};
  }
  const Batch& next() override { return batch_; }

 private:
  std::vector<uint8_t> pixels_;
  std::vector<int32_t> labels_;
  Batch batch_;
};

class Recorder : public Observer {
 public:
  explicit Recorder(int64_t skip) : skip_(skip) {}
  void on_step(const StepReport& report) override {
    if (report.step > skip_) reports_.push_back(report);
  }
  double median(double StepReport::*figure) const {
    std::vector<double> values;
    for (const StepReport& report : reports_) values.push_back(report.*figure);
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
  }

 private:
  int64_t skip_;
  std::vector<StepReport> reports_;
};

Recorder measure(const BenchOptions& options, int threads) {
  const std::unique_ptr<Device> device = make_cpu_device();
  const std::unique_ptr<Optimizer> optimizer = make_optimizer({.name = "momentum"});
  Graph graph = build_graph(read_network(options.net));
  const auto channels = static_cast<size_t>(graph.input()[2]);
  const int64_t classes = graph.nodes[static_cast<size_t>(graph.prediction())].output.count();
  const LaneChoice lanes = choose_lanes({.batch = options.batch, .threads = threads, .parameters = graph.parameters()});
  MadeUpBatch source(graph.input(), classes, options.batch);
  Model model(std::move(graph), *device,
              {.mean = std::vector<float>(channels, 128.0f), .scale = std::vector<float>(channels, 1.0f / 255)},
              lanes.worker, Model::Purpose::training, optimizer->slots());
  model.allocate();
  initialise_weights(model.arena(), 1);
  model.weights_changed();

  LocalSink sink(model.arena(), *optimizer);
  // A rate this small keeps the loss finite for any network, and costs what any rate costs.
  const Schedule schedule({.rate = 1e-6});
  Recorder recorder(options.warm_up);
  const std::atomic<bool> never = false;
  train({.net = model.net(),
         .lanes = model.lanes(),
         .source = source,
         .sink = sink,
         .schedule = schedule,
         .observers = {&recorder},
         .stop = never},
        {.last_step = options.warm_up + options.steps,
         .global_batch = options.batch,
         .samples_per_epoch = options.batch,
         .total_lanes = lanes.total_lanes});
  return recorder;
}

int run_bench_step(const BenchOptions& options) {
  const int threads = options.threads ? options.threads : static_cast<int>(allowed_cpus().size());
  const Recorder recorder = measure(options, threads);
  const double step = recorder.median(&StepReport::seconds);
  const std::vector<std::pair<std::string, double>> phases = {{"forward", recorder.median(&StepReport::forward)},
                                                              {"backward", recorder.median(&StepReport::backward)},
                                                              {"update", recorder.median(&StepReport::update)}};
  const double rate = static_cast<double>(options.batch) / step;
  if (options.json) {
    nlohmann::ordered_json seconds = {{"step", step}};
    for (const auto& [name, value] : phases) seconds[name] = value;
    std::puts(nlohmann::ordered_json{{"images_per_second", rate},
                                     {"batch", options.batch},
                                     {"threads", threads},
                                     {"steps", options.steps},
                                     {"seconds", seconds}}
                  .dump()
                  .c_str());
    return 0;
  }
  std::printf("%s, batch %lld, %d threads: %s (median of %lld steps)\n", options.net.c_str(),
              static_cast<long long>(options.batch), threads, rate_text(rate).c_str(),
              static_cast<long long>(options.steps));
  Table table({{"phase"}, {"ms", Table::Align::right}});
  char cell[32];
  for (const auto& [name, value] : phases)
    table.row({name, (std::snprintf(cell, sizeof cell, "%.3f", value * 1e3), cell)});
  table.row({"step", (std::snprintf(cell, sizeof cell, "%.3f", step * 1e3), cell)});
  std::fputs(table.text().c_str(), stdout);
  return 0;
}

}  // namespace

int run_bench(const Arguments& arguments) {
  BenchOptions options;
  OptionSet set("convoy bench", "step --net FILE [--batch N] [--threads T] [--steps S] [--json]",
                "step: trains on made-up images in memory, with momentum, and tells images a second and seconds per "
                "phase\n(the slowest thread's; update overlaps backward). Medians over the steps after the warm-up.");
  set.text("net", options.net, "FILE", "the network text");
  set.integer("batch", options.batch, {.least = 1, .most = 1 << 20}, "images in one step");
  set.integer("threads", options.threads, {.least = 0, .most = 4096}, "0: the cores this process may use");
  set.integer("steps", options.steps, {.least = 1, .most = 1e9}, "steps to measure");
  set.integer("warm-up", options.warm_up, {.least = 0, .most = 1e9}, "steps before that are not counted");
  set.flag("json", options.json, "print the answer as one line of JSON");
  if (OptionSet::wants_help(arguments)) return show_help(set);
  const Assignments flags = set.read_flags(arguments);
  set.apply(flags);
  if (flags.positional != std::vector<std::string>{"step"}) {
    fail(ExitCode::usage, "convoy bench: say what to measure; this version knows step: convoy bench step --net FILE");
  }
  if (options.net.empty()) fail(ExitCode::usage, "convoy bench step: net is missing; give --net FILE, a network text");
  return run_bench_step(options);
}

}  // namespace convoy
