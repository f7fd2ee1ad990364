// What Net fixes before anything runs: which buffer every output, gradient and scratch lives in, and when.
//
// Node i runs forward at tick i and backward at tick 2n - 1 - i. Layers that work in place, and a relu fused into the
// layer before it, share one buffer with their (first) input.
#pragma once

#include <vector>

#include "core/graph/graph.hpp"
#include "core/memory/planner.hpp"

namespace convoy {

/// Buffers are indices into NetSchedule::buffers, -1 where there is none.
struct NodePlan {
  int value = -1;     // the output
  int gradient = -1;  // its gradient
  int saved = -1, scratch_forward = -1, scratch_backward = -1;
  bool fused = false;           // a relu that the layer before it applies
  bool masked = false;          // a relu whose gradient the layer after it applies
  std::vector<Write> dx_write;  // one per input
};

struct NetSchedule {
  std::vector<NodePlan> nodes;
  std::vector<Lifetime> buffers;
};

/// Fuses, prepares every layer's ops and lists the buffers. `training`: backward is going to run.
NetSchedule make_schedule(Graph& graph, Device& device, const OpOptions& options, bool training);

}  // namespace convoy
