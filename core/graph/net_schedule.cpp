#include "core/graph/net_schedule.hpp"

#include <algorithm>

namespace convoy {

namespace {

std::vector<std::vector<int>> consumers_of(const Graph& graph) {
  std::vector<std::vector<int>> consumers(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const int input : graph.nodes[i].inputs) consumers[input].push_back(static_cast<int>(i));
  }
  return consumers;
}

/// Whether the gradient of each node's output is wanted: some parameter stands at it or before it.
std::vector<bool> gradients_wanted(const Graph& graph) {
  std::vector<bool> wanted(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    wanted[i] = node.parameters > 0 || std::ranges::any_of(node.inputs, [&](int input) { return wanted[input]; });
  }
  return wanted;
}

size_t value_bytes(const Node& node, int64_t batch) {
  return static_cast<size_t>(node.output.count() * batch) * sizeof(float);
}

class Planner {
 public:
  Planner(Graph& graph, const OpOptions& options, bool training)
      : graph_(graph),
        options_(options),
        training_(training),
        count_(static_cast<int>(graph.nodes.size())),
        consumers_(consumers_of(graph)),
        wanted_(gradients_wanted(graph)) {}

  NetSchedule run(Device& device) {
    schedule_.nodes.resize(graph_.nodes.size());
    for (int i = 0; i < count_; ++i) {
      schedule_.nodes[i].fused = fuse(i);
      schedule_.nodes[i].masked = training_ && mask(i);
    }
    decide_writes();
    for (int i = 0; i < count_; ++i) graph_.nodes[i].layer->prepare(device, options_, input_gradient(i));
    for (int i = 0; i < count_; ++i) place_value(i);
    if (training_) {
      for (int i = count_ - 1; i >= 0; --i) place_gradient(i);
    }
    for (int i = 0; i < count_; ++i) place_private(i);
    return std::move(schedule_);
  }

 private:
  /// Backward visits nodes last to first: whoever comes first to an input overwrites its gradient, the others add.
  void decide_writes() {
    std::vector<bool> written(graph_.nodes.size());
    for (int i = count_ - 1; i >= 0; --i) {
      for (const int input : graph_.nodes[i].inputs) {
        schedule_.nodes[i].dx_write.push_back(written[input] ? Write::accumulate : Write::overwrite);
        if (wanted_[i]) written[input] = true;
      }
    }
  }

  InputGradient input_gradient(int i) const {
    const Node& node = graph_.nodes[i];
    InputGradient use = InputGradient::none;
    for (size_t k = 0; training_ && k < node.inputs.size(); ++k) {
      if (!wanted_[node.inputs[k]]) continue;
      const bool adds = schedule_.nodes[i].dx_write[k] == Write::accumulate;
      use = std::max(use, adds ? InputGradient::accumulated : InputGradient::overwritten);
    }
    return use;
  }

  int backward_tick(int i) const { return 2 * count_ - 1 - i; }

  bool only_consumer(int producer) const { return consumers_[producer].size() == 1; }

  /// A relu moves into the layer before it when nobody else sees that layer's output.
  bool fuse(int i) {
    const Node& node = graph_.nodes[i];
    if (node.kind != "relu" || !only_consumer(node.inputs[0])) return false;
    return graph_.nodes[node.inputs[0]].layer->fuse_relu();
  }

  /// A relu's gradient moves into the layer after it when that one alone reads it; the relu's own input then has the
  /// same gradient, in the same place.
  bool mask(int i) {
    const Node& node = graph_.nodes[i];
    if (node.kind != "relu" || !only_consumer(i) || !only_consumer(node.inputs[0])) return false;
    return graph_.nodes[consumers_[i][0]].layer->mask_relu();
  }

  /// What backward of node i reads.
  BackwardReads backward_reads(int i) const {
    return schedule_.nodes[i].masked ? BackwardReads{} : graph_.nodes[i].layer->backward_reads();
  }

  /// An in-place layer may write over its input when it alone reads it, also in backward.
  bool shares_input(int i) const {
    const Node& node = graph_.nodes[i];
    if (!node.layer->in_place() || !only_consumer(node.inputs[0])) return false;
    return !backward_reads(node.inputs[0]).output && !backward_reads(i).input;
  }

  void place_value(int i) {
    const Node& node = graph_.nodes[i];
    auto& plan = schedule_.nodes[i];
    if (plan.fused || shares_input(i)) {
      plan.value = schedule_.nodes[node.inputs[0]].value;
      live(plan.value, i);
    } else {
      plan.value = add_buffer(node.name, value_bytes(node, options_.batch), i, i);
    }
    const BackwardReads reads = backward_reads(i);
    if (training_ && reads.output) live(plan.value, backward_tick(i));
    for (const int input : node.inputs) {
      live(schedule_.nodes[input].value, training_ && reads.input ? backward_tick(i) : i);
    }
    // The caller reads losses and prediction after the run.
    if (i == graph_.loss() || i == graph_.prediction()) live(plan.value, 2 * count_);
  }

  void place_gradient(int i) {
    const Node& node = graph_.nodes[i];
    auto& plan = schedule_.nodes[i];
    if (!wanted_[i]) return;
    if (plan.gradient >= 0) live(plan.gradient, backward_tick(i));
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const int input = node.inputs[k];
      if (!wanted_[input]) continue;
      auto& from = schedule_.nodes[input];
      if (from.gradient >= 0) {
        live(from.gradient, backward_tick(i));
      } else if (k == 0 && plan.gradient >= 0 && node.layer->in_place() && only_consumer(input)) {
        from.gradient = plan.gradient;
      } else {
        from.gradient =
            add_buffer(graph_.nodes[input].name + " gradient", value_bytes(graph_.nodes[input], options_.batch),
                       backward_tick(i), backward_tick(i));
      }
    }
  }

  void place_private(int i) {
    const Node& node = graph_.nodes[i];
    auto& plan = schedule_.nodes[i];
    const int end = training_ ? backward_tick(i) : i;
    if (const size_t bytes = node.layer->saved_bytes()) {
      plan.saved = add_buffer(node.name + " saved", bytes, i, end);
    }
    if (const size_t bytes = node.layer->scratch_bytes()) {
      plan.scratch_forward = add_buffer(node.name + " scratch", bytes, i, i);
      if (training_) plan.scratch_backward = add_buffer(node.name + " scratch", bytes, end, end);
    }
  }

  int add_buffer(const std::string& name, size_t bytes, int first, int last) {
    schedule_.buffers.push_back({.name = name, .bytes = bytes, .first = first, .last = last});
    return static_cast<int>(schedule_.buffers.size()) - 1;
  }

  void live(int buffer, int tick) {
    Lifetime& life = schedule_.buffers[buffer];
    life.first = std::min(life.first, tick);
    life.last = std::max(life.last, tick);
  }

  Graph& graph_;
  const OpOptions& options_;
  bool training_;
  int count_;
  std::vector<std::vector<int>> consumers_;
  std::vector<bool> wanted_;
  NetSchedule schedule_;
};

}  // namespace

NetSchedule make_schedule(Graph& graph, Device& device, const OpOptions& options, bool training) {
  return Planner(graph, options, training).run(device);
}

}  // namespace convoy
