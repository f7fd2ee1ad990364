// A graph prepared for one device and batch: a static schedule over planned memory.
//
// A Net holds what the teams of one worker share: ops, packed weights, the plan. What one lane's run needs besides is a
// NetLane: a block of activations and a flat gradient buffer. Several lanes may run at once, each on its own team.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/graph/graph.hpp"
#include "core/graph/net_schedule.hpp"
#include "core/memory/arena.hpp"
#include "core/memory/planner.hpp"
#include "core/ops/pixels.hpp"

namespace convoy {

struct NetOptions {
  OpOptions op;          // batch is the lane's
  bool training = true;  // false: forward only, activations share memory freely
  PixelsSpec pixels;     // dtype, mean and scale of the images handed in; `input` is filled from the graph
  uint64_t seed = 1;     // of dropout
};

/// What one run of a lane works on. Views must stay valid during the call.
struct NetLane {
  int team = 0;
  std::byte* activations = nullptr;  // Net::activation_bytes(), one block per team
  float* gradients = nullptr;        // Net::segments().size() floats, zeroed once (padding is never written)
  float* one_layer = nullptr;        // if set, each layer's gradients in turn go here: Net::largest_layer() floats
};

/// In the device's memory.
struct NetBatch {
  const void* pixels = nullptr;       // (N,H,W,C) of NetOptions::pixels.dtype
  const int32_t* labels = nullptr;    // (N)
  const int64_t* position = nullptr;  // of the first image in the run's sequence of samples; only training asks for it
};

/// Seconds that one node took in the passes of training, added up since timing was started.
struct NodeSeconds {
  double forward = 0, backward = 0;
};

/// Workers with one copy of the packed weights in common: each packs a part of the layers.
struct PackingTeam {
  int rank = 0, size = 1;
  std::function<void()> meet;  // returns when all have packed theirs; needed where size > 1
};

/// Whether a forward pass is part of a training step: dropout, batch norm and what is kept for backward depend on it.
enum class Mode : uint8_t { training, inference };

class Net {
 public:
  /// Prepares all ops and plans memory; allocates none of it. `device` must outlive it. Training needs a loss:
  /// Error(usage) without one.
  Net(Graph graph, Device& device, NetOptions options);

  const Graph& graph() const { return graph_; }
  const SegmentTable& segments() const { return segments_; }
  const NetOptions& options() const { return options_; }
  size_t activation_bytes() const { return plan_.bytes; }
  size_t packed_bytes() const { return packed_bytes_; }
  /// Floats of the gradients of the layer with most of them.
  size_t largest_layer() const { return largest_layer_; }
  /// Per node, the implementations its ops picked ("" where there is no choice).
  std::vector<std::string> algorithms() const;
  /// What a node does itself, and what its neighbours do for it.
  const NodePlan& plan(size_t node) const { return schedule_.nodes[node]; }

  /// Names the weights and the memory of their packed copies, packed_bytes() on a border of 256, and packs; call before
  /// anything runs. With a team of several this and refresh_weights() are collective.
  void bind(std::span<const float> weights, std::span<std::byte> packed, const PackingTeam& team = {});
  /// The same with memory of its own.
  void bind(std::span<const float> weights, Device& device);
  /// Takes over changed weights; no run may be under way, on any worker of the team.
  void refresh_weights();

  /// Runs all layers up to the prediction, and the loss if labels are given: losses() and prediction() then hold
  /// results.
  void forward(const NetLane& lane, const NetBatch& batch, Mode mode);
  /// After forward of the same lane in training mode. Calls `ready(end)` each time gradients [0, end) of this lane are
  /// final, end rising to segments().size(), by a layer at a time: with `one_layer` that holds those since the last
  /// end.
  void backward(const NetLane& lane, const NetBatch& batch, float loss_scale, const std::function<void(size_t)>& ready);

  /// Starts to take the time of each node anew, which costs a little, and on a device waits for it each time. No run
  /// may be under way.
  void start_timing();
  void stop_timing() { timing_ = false; }
  bool timing() const { return timing_; }
  /// Per node, the mean over the teams; 0 unless timing was started.
  std::vector<NodeSeconds> seconds() const;

  /// (N) per-image losses of the last forward of this lane.
  const float* losses(const NetLane& lane) const;
  /// (N, classes), likewise.
  ConstView prediction(const NetLane& lane) const;

 private:
  /// Where a node's parameters and their packed copy lie.
  struct NodeParameters {
    std::vector<size_t> offsets;
    size_t end = 0;
    size_t packed_offset = 0, packed_bytes = 0;
  };
  /// What profilers call its passes.
  struct NodeRanges {
    std::string forward, backward;
  };
  std::vector<size_t> packed_by(const PackingTeam& team) const;
  LayerRun make_run(size_t index) const;
  void* at(const NetLane& lane, int buffer) const;

  Graph graph_;
  Device& device_;
  NetOptions options_;
  SegmentTable segments_;
  std::unique_ptr<Pixels> pixels_;
  NetSchedule schedule_;
  std::vector<NodeParameters> parameters_;
  std::vector<std::vector<LayerRun>> runs_;        // [team][node], made once so that a step allocates nothing
  std::vector<std::vector<NodeSeconds>> seconds_;  // [team][node]
  bool timing_ = false;
  std::vector<NodeRanges> ranges_;  // by node
  Placement plan_;
  DeviceBuffer packed_;
  PackingTeam team_;
  std::vector<size_t> refreshed_;  // nodes that this worker refreshes
  size_t packed_bytes_ = 0;
  size_t largest_layer_ = 0;
};

}  // namespace convoy
