// Training steps of a network on made-up images, timed as a whole and layer by layer.
#pragma once

#include <string>
#include <vector>

#include "core/graph/graph.hpp"
#include "launchers/run/machine_peak.hpp"

namespace convoy {

struct TimingOptions {
  std::string net;
  int64_t batch = 64, steps = 50, warm_up = 5;
  int threads = 0;  // 0: the cores this process may use
  std::string precision = "fp32", backend = "auto";
  int64_t micro_batch = 0;  // images at once; 0: the whole batch
  bool recorded = true;     // on a GPU, see TrainerOptions
};

/// One layer: seconds of a step, what they were spent on, and how that compares with the machine's peak.
struct LayerTiming {
  std::string name, kind, algorithms;
  double forward = 0, backward = 0;  // seconds, mean over the steps and threads
  double flops = 0;                  // of both passes, all images; 0 for layers that only move data
  double bytes = 0;                  // read and written at least
  /// Whether arithmetic bounds the layer, or memory. On a CPU it is arithmetic for all that multiply; on a GPU what
  /// takes longer.
  bool bound_by_products(const MachinePeak& peak) const;
  /// The seconds it would take at the peak of what bounds it.
  double floor(const MachinePeak& peak) const;
  /// The share of that peak that it reached.
  double share_of(const MachinePeak& peak) const;
  double seconds() const { return forward + backward; }
};

/// The layer's work on `batch` images, not yet timed.
LayerTiming describe_layer(const Graph& graph, const Node& node, int64_t batch);

struct StepTiming {
  int threads = 1;
  int64_t lanes = 1;
  double step = 0, forward = 0, backward = 0, update = 0;  // seconds, medians over the steps
  std::vector<LayerTiming> layers;
  MachinePeak peak;
  std::string notice;  // of the trainer
  size_t planned_bytes = 0;
  size_t peak_bytes = 0;  // that the process held, from making the network on
};

/// Trains with momentum. Algorithms are chosen by measurement and kept in this user's cache. Throws as `convoy train`.
StepTiming time_steps(const TimingOptions& options);

}  // namespace convoy
