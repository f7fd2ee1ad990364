// A network as connected layers with known shapes, before any device or batch is chosen.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/graph/network_text.hpp"
#include "core/layers/layer.hpp"

namespace convoy {

struct Node {
  std::string kind;
  std::string name;         // its label: "conv1"
  std::vector<int> inputs;  // indices of earlier nodes
  std::unique_ptr<Layer> layer;
  Shape output;              // per image
  int64_t parameters = 0;    // running averages not counted
  Extent2 receptive_field;   // in input pixels; the whole input once an fc was passed
  Extent2 receptive_stride;  // input pixels between neighbouring outputs
};

/// Nodes in the order of the text, which is a valid schedule: every input comes earlier. Node 0 is the input.
struct Graph {
  NetworkText text;
  std::vector<Node> nodes;

  Shape input() const { return nodes.front().output; }
  /// The node whose output is the prediction (logits): what the loss reads, or the last node when there is none.
  int prediction() const;
  /// The loss node, or -1.
  int loss() const;
  /// Whether the images of a lane act on each other (batch norm in training).
  bool mixes_images() const;
  int64_t parameters() const;
  int64_t multiply_adds() const;
  /// Segments in backward-completion order: the last layer's first; within a layer weight, then bias.
  SegmentTable segments() const;
};

/// Builds layers and infers shapes. Errors are Error(usage) with line and column: a shape that does not fit, a second
/// input, a loss that is not last, an output nobody reads.
Graph build_graph(NetworkText text);

}  // namespace convoy
