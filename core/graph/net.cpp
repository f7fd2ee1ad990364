#include "core/graph/net.hpp"

#include <algorithm>
#include <functional>

#include "core/base/error.hpp"
#include "core/base/timer.hpp"
#include "core/device/profiler.hpp"

namespace convoy {

namespace {

size_t padded(size_t count) {
  return (count + SegmentTable::alignment - 1) / SegmentTable::alignment * SegmentTable::alignment;
}

}  // namespace

Net::Net(Graph graph, Device& device, NetOptions options)
    : graph_(std::move(graph)), device_(device), options_(std::move(options)), segments_(graph_.segments()) {
  if (options_.training && graph_.loss() < 0) {
    fail(ExitCode::usage, graph_.text.source,
         ": a network without a loss cannot be trained; end it with 'loss softmax'");
  }
  options_.pixels.input = graph_.input();
  pixels_ = make_pixels(device, options_.pixels, options_.op);
  schedule_ = make_schedule(graph_, device, options_.op, options_.training);
  plan_ = place(schedule_.buffers);
  parameters_.resize(graph_.nodes.size());

  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    NodeParameters& parameters = parameters_[i];
    parameters.packed_offset = packed_bytes_;
    parameters.packed_bytes = (graph_.nodes[i].layer->packed_bytes() + 255) / 256 * 256;
    packed_bytes_ += parameters.packed_bytes;
    for (const ParameterSpec& parameter : graph_.nodes[i].layer->parameters()) {
      const Segment& segment = *segments_.find(graph_.nodes[i].name + "/" + parameter.name);
      parameters.offsets.push_back(segment.offset);
      parameters.end = segment.offset + padded(segment.count);
    }
    if (!parameters.offsets.empty()) {
      largest_layer_ = std::max(largest_layer_, parameters.end - parameters.offsets.front());
    }
  }
  runs_.resize(static_cast<size_t>(options_.op.teams));
  for (auto& runs : runs_) {
    for (size_t i = 0; i < graph_.nodes.size(); ++i) runs.push_back(make_run(i));
  }
  seconds_.assign(runs_.size(), std::vector<NodeSeconds>(graph_.nodes.size()));
  for (const Node& node : graph_.nodes) ranges_.push_back({"forward " + node.name, "backward " + node.name});
}

void Net::start_timing() {
  for (auto& team : seconds_) std::ranges::fill(team, NodeSeconds{});
  timing_ = true;
}

std::vector<NodeSeconds> Net::seconds() const {
  std::vector<NodeSeconds> mean(graph_.nodes.size());
  const auto teams = static_cast<double>(seconds_.size());
  for (const auto& team : seconds_) {
    for (size_t i = 0; i < mean.size(); ++i) {
      mean[i].forward += team[i].forward / teams;
      mean[i].backward += team[i].backward / teams;
    }
  }
  return mean;
}

LayerRun Net::make_run(size_t index) const {
  const Node& node = graph_.nodes[index];
  const auto batched = [&](const Node& of) { return of.output.batched(options_.op.batch); };
  LayerRun run{.seed = options_.seed, .layer = index};
  run.y.shape = run.dy.shape = batched(node);
  for (const int input : node.inputs) {
    run.x.push_back({.shape = batched(graph_.nodes[input])});
    run.dx.push_back({.shape = batched(graph_.nodes[input])});
  }
  run.dx_write.resize(node.inputs.size());
  run.parameters.resize(node.layer->parameters().size());
  run.gradients.resize(run.parameters.size());
  return run;
}

std::vector<std::string> Net::algorithms() const {
  std::vector<std::string> out;
  for (const Node& node : graph_.nodes) out.push_back(node.layer->algorithms());
  return out;
}

void Net::bind(std::span<const float> weights, Device& device) {
  if (packed_bytes_ > 0) packed_ = DeviceBuffer(device, packed_bytes_, "packed weights");
  bind(weights, {packed_.data(), packed_.bytes()});
}

void Net::bind(std::span<const float> weights, std::span<std::byte> packed, const PackingTeam& team) {
  team_ = team;
  refreshed_ = packed_by(team);
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const NodeParameters& parameters = parameters_[i];
    if (parameters.packed_bytes > 0) graph_.nodes[i].layer->attach(packed.data() + parameters.packed_offset);
    for (auto& runs : runs_) {
      for (size_t k = 0; k < parameters.offsets.size(); ++k) {
        runs[i].parameters[k] = weights.data() + parameters.offsets[k];
      }
    }
  }
  refresh_weights();
}

/// The nodes that this worker of the team refreshes: those that pack nothing, and of the others, largest first, each to
/// whoever has least so far.
std::vector<size_t> Net::packed_by(const PackingTeam& team) const {
  std::vector<size_t> mine, packing;
  for (size_t i = 0; i < parameters_.size(); ++i) (parameters_[i].packed_bytes > 0 ? packing : mine).push_back(i);
  std::ranges::stable_sort(packing, std::greater(), [&](size_t i) { return parameters_[i].packed_bytes; });
  std::vector<size_t> loads(static_cast<size_t>(team.size));
  for (const size_t i : packing) {
    const auto least = std::ranges::min_element(loads);
    *least += parameters_[i].packed_bytes;
    if (least - loads.begin() == team.rank) mine.push_back(i);
  }
  return mine;
}

void Net::refresh_weights() {
  const ProfilerRange range("refresh");
  for (const size_t i : refreshed_) graph_.nodes[i].layer->refresh(runs_[0][i].parameters);
  if (team_.meet && packed_bytes_ > 0) team_.meet();
}

void Net::forward(const NetLane& lane, const NetBatch& batch, Mode mode) {
  std::vector<LayerRun>& runs = runs_[lane.team];
  std::vector<NodeSeconds>& seconds = seconds_[lane.team];
  const bool timed = timing_ && mode == Mode::training;
  Timer timer;
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Node& node = graph_.nodes[i];
    const NodePlan& plan = schedule_.nodes[i];
    if (node.layer->is_loss() && !batch.labels) continue;
    const ProfilerRange range(ranges_[i].forward.c_str());
    LayerRun& run = runs[i];
    run.op = {.team = lane.team, .scratch = at(lane, plan.scratch_forward)};
    run.training = mode == Mode::training;
    run.saved = at(lane, plan.saved);
    run.labels = batch.labels;
    run.position = batch.position;
    run.y.data = at(lane, plan.value);
    for (size_t k = 0; k < node.inputs.size(); ++k) run.x[k].data = at(lane, schedule_.nodes[node.inputs[k]].value);
    if (i == 0) {
      pixels_->forward(run.op, batch.pixels, run.y.f32());
    } else if (!plan.fused) {
      node.layer->forward(run);
    }
    if (timed) {
      device_.synchronize();
      seconds[i].forward += timer.lap();
    }
  }
}

void Net::backward(const NetLane& lane, const NetBatch& batch, float loss_scale,
                   const std::function<void(size_t)>& ready) {
  std::vector<LayerRun>& runs = runs_[lane.team];
  std::vector<NodeSeconds>& seconds = seconds_[lane.team];
  Timer timer;
  for (size_t i = graph_.nodes.size(); i-- > 1;) {
    const Node& node = graph_.nodes[i];
    const NodePlan& plan = schedule_.nodes[i];
    if (plan.masked || (plan.gradient < 0 && !node.layer->is_loss())) continue;
    const ProfilerRange range(ranges_[i].backward.c_str());
    LayerRun& run = runs[i];
    run.op.scratch = at(lane, plan.scratch_backward);
    run.labels = batch.labels;
    run.loss_scale = loss_scale;
    run.dy.data = at(lane, plan.gradient);
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      run.dx[k].data = at(lane, schedule_.nodes[node.inputs[k]].gradient);
      run.dx_write[k] = plan.dx_write[k];
    }
    const NodeParameters& parameters = parameters_[i];
    for (size_t k = 0; k < parameters.offsets.size(); ++k) {
      run.gradients[k] = lane.one_layer ? lane.one_layer + (parameters.offsets[k] - parameters.offsets.front())
                                        : lane.gradients + parameters.offsets[k];
    }
    node.layer->backward(run);
    if (timing_) {
      device_.synchronize();
      seconds[i].backward += timer.lap();
    }
    if (!parameters.offsets.empty()) {
      ready(parameters.end);
      if (timing_) timer.lap();
    }
  }
}

void* Net::at(const NetLane& lane, int buffer) const {
  return buffer < 0 ? nullptr : lane.activations + plan_.offsets[buffer];
}

const float* Net::losses(const NetLane& lane) const {
  return static_cast<const float*>(at(lane, schedule_.nodes[graph_.loss()].value));
}

ConstView Net::prediction(const NetLane& lane) const {
  const int node = graph_.prediction();
  return {.data = at(lane, schedule_.nodes[node].value), .shape = graph_.nodes[node].output.batched(options_.op.batch)};
}

}  // namespace convoy
