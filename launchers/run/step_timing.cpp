// Training steps on made-up images, timed.
#include "launchers/run/step_timing.hpp"

#include <algorithm>

#include "core/base/median.hpp"
#include "core/train/local_sink.hpp"
#include "core/train/trainer.hpp"
#include "launchers/run/cpus.hpp"
#include "launchers/run/device_choice.hpp"
#include "launchers/run/lane_choice.hpp"
#include "launchers/run/made_up_batch.hpp"
#include "launchers/run/model.hpp"
#include "launchers/run/run_plan.hpp"
#include "launchers/run/tuning_file.hpp"

namespace convoy {

namespace {

/// Keeps the `kept` steps after the first `skipped`; layers are timed from the step after `untimed` on.
class StepWatch : public Observer {
 public:
  StepWatch(Net& net, int64_t skipped, int64_t kept, int64_t untimed)
      : net_(net), skipped_(skipped), kept_(kept), untimed_(untimed) {
    if (untimed_ == 0) net_.start_timing();
  }
  void on_step(const StepReport& report) override {
    if (!report.notice.empty()) notice_ = report.notice;
    if (report.step > skipped_ && report.step <= skipped_ + kept_) reports_.push_back(report);
    if (report.step == untimed_) net_.start_timing();
  }
  const std::string& notice() const { return notice_; }
  double median(double StepReport::*figure) const {
    std::vector<double> values;
    for (const StepReport& report : reports_) values.push_back(report.*figure);
    return convoy::median(std::move(values));
  }

 private:
  Net& net_;
  int64_t skipped_, kept_, untimed_;
  std::string notice_;
  std::vector<StepReport> reports_;
};

/// Bytes that the passes of one image must read and write at least, parameters left out.
struct PassBytes {
  double forward = 0, backward = 0;
};

PassBytes bytes_of(const Graph& graph, const Node& node) {
  double inputs = 0;
  for (const int input : node.inputs) inputs += static_cast<double>(graph.nodes[input].output.count());
  const auto output = static_cast<double>(node.output.count());
  const BackwardReads reads = node.layer->backward_reads();
  const double forward = inputs + output;
  const double backward = output + inputs + (reads.input ? inputs : 0) + (reads.output ? output : 0);
  return {.forward = sizeof(float) * forward, .backward = sizeof(float) * backward};
}

std::vector<LayerTiming> layer_timings(const Net& net, int64_t steps, int64_t batch, const MachinePeak& peak) {
  const Graph& graph = net.graph();
  const std::vector<std::string> algorithms = net.algorithms();
  const std::vector<NodeSeconds> seconds = net.seconds();
  std::vector<LayerTiming> layers;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    LayerTiming layer = describe_layer(graph, graph.nodes[i], batch);
    layer.algorithms = algorithms[i];
    if (peak.gpu) {
      // What its neighbours do for it bounds this layer by nothing.
      const PassBytes bytes = bytes_of(graph, graph.nodes[i]);
      if (net.plan(i).fused) layer.bytes -= bytes.forward * static_cast<double>(batch);
      if (net.plan(i).masked) layer.bytes -= bytes.backward * static_cast<double>(batch);
    }
    layer.forward = seconds[i].forward / static_cast<double>(steps);
    layer.backward = seconds[i].backward / static_cast<double>(steps);
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace

LayerTiming describe_layer(const Graph& graph, const Node& node, int64_t batch) {
  LayerTiming layer{.name = node.name, .kind = node.kind};
  // The first layer with weights has no gradient to hand on.
  const bool first = std::ranges::all_of(node.inputs, [](int input) { return input == 0; });
  if (node.kind == "conv" || node.kind == "fc") {
    layer.flops = static_cast<double>(2 * node.layer->multiply_adds() * batch * (first ? 2 : 3));
  }
  const PassBytes bytes = bytes_of(graph, node);
  layer.bytes = (bytes.forward + bytes.backward) * static_cast<double>(batch);
  return layer;
}

bool LayerTiming::bound_by_products(const MachinePeak& peak) const {
  return flops > 0 && (!peak.gpu || flops / peak.flops >= bytes / peak.bytes_copied);
}

double LayerTiming::floor(const MachinePeak& peak) const {
  return bound_by_products(peak) ? flops / peak.flops : bytes / peak.bytes_copied;
}

double LayerTiming::share_of(const MachinePeak& peak) const {
  return seconds() > 0 ? floor(peak) / seconds() : 0;
}

StepTiming time_steps(const TimingOptions& options) {
  StepTiming timing;
  timing.threads = options.threads ? options.threads : usable_cpus();
  const std::unique_ptr<Device> device = make_device(options.backend, 0);
  const DType compute = compute_type(options.precision, *device);
  timing.peak = measure_peak(*device, compute, timing.threads);
  forget_peak_memory();

  Graph graph = build_graph(read_network(options.net));
  const Shape image = graph.input();
  const auto channels = static_cast<size_t>(image[image.rank() - 1]);
  const int64_t classes = graph.nodes[static_cast<size_t>(graph.prediction())].output.count();
  const LaneChoice lanes = choose_lanes({.batch = options.batch,
                                         .threads = device->on_host() ? timing.threads : 1,
                                         .micro_batch = options.micro_batch,
                                         .parameters = graph.parameters(),
                                         .mixing = graph.mixes_images() ? Mixing::within_lane : Mixing::none});
  timing.lanes = lanes.worker.lanes;
  MadeUpBatch source(image, classes, options.batch);
  Tuning tuning;
  const std::string machine = tuning_machine(*device);
  read_tuning_cache(machine, tuning);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(*device, graph.segments(), {.name = "momentum"});
  Model model(
      std::move(graph), *device,
      {.pixels = {.mean = std::vector<float>(channels, 128.0f), .scale = std::vector<float>(channels, 1.0f / 255)},
       .lanes = lanes.worker,
       .slot_names = optimizer->slots(),
       .compute = compute,
       .tuning = &tuning});
  write_tuning_cache(machine, tuning);
  timing.planned_bytes = device->on_host() ? model.plan().total() : model.device_plan(true).total();
  model.allocate();
  initialise_weights(model.arena(), 1);
  model.weights_changed();

  LocalSink sink(*device, model.device_arena(), *optimizer);
  // A rate this small keeps the loss finite for any network, and costs what any rate costs.
  const Schedule schedule({.rate = 1e-6});
  // Beside a device the clock stops for each layer, so layers are timed in steps of their own.
  const int64_t timed_alone = device->on_host() ? 0 : options.steps;
  StepWatch watch(model.net(), options.warm_up, options.steps, options.warm_up + timed_alone);
  const std::atomic<bool> never = false;
  train({.net = model.net(),
         .lanes = model.lanes(),
         .source = source,
         .sink = sink,
         .schedule = schedule,
         .observers = {&watch},
         .stop = never},
        {.last_step = options.warm_up + options.steps + timed_alone,
         .global_batch = options.batch,
         .samples_per_epoch = options.batch,
         .recorded = options.recorded,
         .total_lanes = lanes.total_lanes});
  timing.peak_bytes = peak_memory();
  timing.step = watch.median(&StepReport::seconds);
  timing.forward = watch.median(&StepReport::forward);
  timing.backward = watch.median(&StepReport::backward);
  timing.update = watch.median(&StepReport::update);
  timing.notice = watch.notice();
  timing.layers = layer_timings(model.net(), options.steps, options.batch, timing.peak);
  return timing;
}

}  // namespace convoy
