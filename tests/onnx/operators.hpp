// ONNX's operators, run by Convoy's ops.
#pragma once

#include <memory>
#include <vector>

#include "core/device/device.hpp"
#include "core/ops/op.hpp"
#include "tests/onnx/model.hpp"

namespace convoy::onnx {

/// One node with its inputs at hand.
class Call {
 public:
  Call(const Node& node, std::vector<const Tensor*> inputs) : node_(node), inputs_(std::move(inputs)) {
    outputs.resize(node.outputs.size());
  }

  size_t inputs() const { return inputs_.size(); }
  bool has(size_t i) const { return i < inputs_.size() && inputs_[i]; }
  bool wants(size_t output) const { return output < outputs.size() && !node_.outputs[output].empty(); }
  int64_t opset() const { return node_.opset; }
  const Attributes& attributes() const { return node_.attributes; }

  /// Input i; Unsupported where its elements are of another type, or a needed one is missing.
  const Tensor& real(size_t i) const { return typed(i, Tensor::Type::real); }
  const Tensor& integer(size_t i) const { return typed(i, Tensor::Type::integer); }
  const Tensor& any(size_t i) const;

  int64_t integer(const std::string& name, int64_t fallback) const {
    return get(attributes().integers, name, fallback);
  }
  float number(const std::string& name, float fallback) const { return get(attributes().reals, name, fallback); }
  std::string text(const std::string& name, const std::string& fallback) const {
    return get(attributes().texts, name, fallback);
  }
  Dims integers(const std::string& name, const Dims& fallback) const {
    return get(attributes().integer_lists, name, fallback);
  }
  /// An axis in [0, rank], counted from the end where it is negative.
  size_t axis(int64_t fallback, size_t rank) const;

  std::vector<Tensor> outputs;

 private:
  const Tensor& typed(size_t i, Tensor::Type type) const;
  template <typename T>
  static T get(const std::map<std::string, T>& map, const std::string& name, const T& fallback) {
    const auto found = map.find(name);
    return found == map.end() ? fallback : found->second;
  }

  const Node& node_;
  std::vector<const Tensor*> inputs_;
};

/// The device of all cases. One thread runs them.
Device& cpu();

/// Memory that an op wants to be given.
class Workspace {
 public:
  explicit Workspace(size_t bytes) : memory_(cpu(), bytes + 1, "workspace") {}
  void* data() const { return memory_.data(); }
  OpContext context() const { return {.scratch = memory_.data()}; }

 private:
  DeviceBuffer memory_;
};

using Operator = void (*)(Call& call);
using OperatorTable = std::map<std::string, Operator>;

// Each family's part of the table.
OperatorTable spatial_operators();      // convolution, pooling, normalisation
OperatorTable row_operators();          // matrices, softmax, losses
OperatorTable elementwise_operators();  // activations, add, dropout
OperatorTable shape_operators();        // concat, flatten
OperatorTable moving_operators();       // squeeze, transpose, constants: no layers of Convoy's, but found around them
OperatorTable optimizer_operators();

/// All of them.
const OperatorTable& operators();

}  // namespace convoy::onnx
