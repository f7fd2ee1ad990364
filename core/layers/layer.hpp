// The interface of every layer.
//
// A layer is built in two steps. Its constructor takes attributes and input shapes and knows all that `convoy net`
// prints; it touches no device. prepare() then makes its ops for a device and batch. Layers hold no activations: a run
// gets views.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/memory/segment_table.hpp"
#include "core/ops/op.hpp"

namespace convoy {

/// A parameter a layer wants, or a running average it keeps (Segment::average_rate); the name is relative to the layer:
/// "weight", "bias", "running_mean".
struct ParameterSpec {
  std::string name;
  Shape shape;
  Initialiser init;
  float decay_multiplier = 1;
  float rate_multiplier = 1;
  float average_rate = 0;
  Segment::Role role = Segment::Role::weight;
};

/// What the backward pass of a layer reads; anything not claimed may be overwritten as soon as forward is done with it.
struct BackwardReads {
  bool input = false;
  bool output = false;
};

/// What a layer does with the gradients of its inputs: the most demanding of them counts.
enum class InputGradient : uint8_t { none, overwritten, accumulated };

/// The spatial reach of one output element, for the receptive field.
struct Window {
  Extent2 extent, stride;
};

/// Everything one call of forward or backward may touch. Shapes are batched; `null` views are not wanted.
struct LayerRun {
  OpContext op;
  bool training = false;
  std::vector<ConstView> x;              // inputs
  View y;                                // output
  ConstView dy;                          // gradient of the output (backward)
  std::vector<View> dx;                  // gradients of the inputs; data is null where not wanted (backward)
  std::vector<Write> dx_write;           // one per input
  void* saved = nullptr;                 // saved_bytes(), kept from forward to backward
  std::vector<const float*> parameters;  // one per ParameterSpec
  std::vector<float*> gradients;         // likewise; overwritten by backward
  const int32_t* labels = nullptr;       // (N), for losses
  float loss_scale = 1;                  // 1 / global batch (backward)
  uint64_t seed = 0;                     // of the run, for random numbers
  uint64_t layer = 0;                    // number of this layer in its network, likewise
  const int64_t* position = nullptr;     // of the first image in the run's sequence of samples, likewise
};

class Layer {
 public:
  virtual ~Layer() = default;

  /// Output shape per image, (H, W, C) or (C). A loss gives a scalar per image: rank 0.
  virtual Shape output() const = 0;
  virtual std::vector<ParameterSpec> parameters() const { return {}; }
  /// Per image, forward.
  virtual int64_t multiply_adds() const { return 0; }
  virtual Window window() const { return {}; }
  virtual BackwardReads backward_reads() const { return {}; }
  virtual bool is_loss() const { return false; }
  /// Of a loss: whether labels are numbers to be met, and not classes of its input.
  virtual bool is_regression() const { return false; }
  /// True if an image's output depends on the other images of its lane.
  virtual bool mixes_images() const { return false; }

  /// True if the layer took over the relu that follows it. Its output is then the relu's, and dy is handed to it with
  /// the relu's gradient already applied.
  virtual bool fuse_relu() { return false; }
  /// True if the layer's backward applies the gradient of the relu that made its input; the relu's own is then left
  /// out.
  virtual bool mask_relu() { return false; }
  /// True if y may be x[0] and dx[0] may be dy: the planner then gives both one place.
  virtual bool in_place() const { return false; }

  /// Makes the ops.
  virtual void prepare(Device& device, const OpOptions& options, InputGradient input_gradient) = 0;

  // Known after prepare().
  virtual size_t saved_bytes() const { return 0; }
  virtual size_t scratch_bytes() const { return 0; }
  virtual size_t packed_bytes() const { return 0; }
  virtual void attach(void* /*packed*/) {}
  virtual std::string algorithms() const { return ""; }

  /// Takes over changed parameters; called once after each update, with no run under way.
  virtual void refresh(std::span<const float* const> /*parameters*/) {}
  virtual void forward(const LayerRun& run) = 0;
  virtual void backward(const LayerRun& run) = 0;
};

}  // namespace convoy
