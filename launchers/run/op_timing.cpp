// Layers one by one, timed.
#include "launchers/run/op_timing.hpp"

#include <algorithm>

#include "core/base/median.hpp"
#include "core/base/parallel.hpp"
#include "core/base/random.hpp"
#include "core/base/timer.hpp"
#include "core/graph/graph.hpp"
#include "launchers/run/cpus.hpp"
#include "launchers/run/device_choice.hpp"
#include "launchers/run/run_plan.hpp"
#include "launchers/run/tuning_file.hpp"

namespace convoy {

namespace {

template <typename Call>
double median_seconds(int64_t repetitions, const Call& call) {
  call();
  std::vector<double> seconds;
  for (int64_t i = 0; i < repetitions; ++i) {
    const Timer timer;
    call();
    seconds.push_back(timer.seconds());
  }
  return median(std::move(seconds));
}

/// One layer with memory of its own.
class LoneLayer {
 public:
  LoneLayer(const Graph& graph, const Node& node, Device& device, const OpOptions& options, bool input_gradient)
      : layer_(*node.layer), device_(device) {
    layer_.prepare(device, options, input_gradient ? InputGradient::overwritten : InputGradient::none);
    run_.training = true;
    for (const int input : node.inputs) {
      const Shape shape = graph.nodes[input].output.batched(options.batch);
      run_.x.push_back({.data = tensor(shape.count()), .shape = shape});
      run_.dx.push_back({.data = input_gradient ? tensor(shape.count()) : nullptr, .shape = shape});
      run_.dx_write.push_back(Write::overwrite);
    }
    const Shape output = node.output.batched(options.batch);
    run_.y = {.data = tensor(output.count()), .shape = output};
    run_.dy = {.data = tensor(output.count()), .shape = output};
    for (const ParameterSpec& parameter : layer_.parameters()) {
      run_.parameters.push_back(tensor(parameter.shape.count()));
      run_.gradients.push_back(tensor(parameter.shape.count()));
    }
    run_.saved = bytes(layer_.saved_bytes());
    run_.op.scratch = bytes(layer_.scratch_bytes());
    run_.labels = reinterpret_cast<const int32_t*>(bytes(static_cast<size_t>(options.batch) * sizeof(int32_t)));
    run_.position = reinterpret_cast<const int64_t*>(bytes(sizeof(int64_t)));
    if (layer_.packed_bytes() > 0) layer_.attach(bytes(layer_.packed_bytes()));
    layer_.refresh(run_.parameters);
  }

  void forward() {
    layer_.forward(run_);
    device_.synchronize();
  }
  void backward() {
    layer_.backward(run_);
    device_.synchronize();
  }
  /// Backward without the gradient of the input.
  void backward_weights() {
    const std::vector<View> dx = run_.dx;
    for (View& view : run_.dx) view.data = nullptr;
    backward();
    run_.dx = dx;
  }

 private:
  std::byte* bytes(size_t count) {
    if (count == 0) return nullptr;
    memory_.emplace_back(device_, count, "one layer");
    return memory_.back().data();
  }
  float* tensor(int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    const RandomStream random(1, RandomPurpose::test, memory_.size());
    for (size_t i = 0; i < values.size(); ++i) values[i] = random.uniform(i % 4096) - 0.5f;
    auto* data = reinterpret_cast<float*>(bytes(values.size() * sizeof(float)));
    device_.upload(data, values.data(), values.size() * sizeof(float));
    return data;
  }

  Layer& layer_;
  Device& device_;
  std::vector<DeviceBuffer> memory_;
  LayerRun run_;
};

}  // namespace

OpTimings time_ops(const TimingOptions& options) {
  OpTimings timings;
  timings.threads = options.threads ? options.threads : usable_cpus();
  const std::unique_ptr<Device> device = make_device(options.backend, 0);
  const DType compute = compute_type(options.precision, *device);
  timings.peak = measure_peak(*device, compute, timings.threads);
  const Graph graph = build_graph(read_network(options.net));
  Tuning tuning;
  const std::string machine = tuning_machine(*device);
  read_tuning_cache(machine, tuning);
  const OpOptions op{.batch = options.batch, .threads = timings.threads, .compute = compute, .tuning = &tuning};
  const TeamThreads team(timings.threads);
  for (size_t i = 1; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const bool input_gradient = std::ranges::any_of(node.inputs, [](int input) { return input != 0; });
    LoneLayer layer(graph, node, *device, op, input_gradient);
    OpTiming timing{.layer = describe_layer(graph, node, options.batch)};
    timing.layer.algorithms = node.layer->algorithms();
    timing.forward = median_seconds(options.steps, [&] { layer.forward(); });
    const double backward = median_seconds(options.steps, [&] { layer.backward(); });
    if (node.parameters > 0) timing.backward_weights = median_seconds(options.steps, [&] { layer.backward_weights(); });
    timing.backward_data = input_gradient ? std::max(0.0, backward - timing.backward_weights) : 0;
    timing.layer.forward = timing.forward;
    timing.layer.backward = backward;
    timings.ops.push_back(std::move(timing));
  }
  write_tuning_cache(machine, tuning);
  return timings;
}

}  // namespace convoy
