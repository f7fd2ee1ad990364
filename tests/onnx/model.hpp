// A case as read from its files. The only part of Convoy's tests that sees ONNX's own library is model.cpp.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/onnx/tensor.hpp"

namespace convoy::onnx {

/// Only the kinds that CNN operators have; another kind is left out.
struct Attributes {
  std::map<std::string, int64_t> integers;
  std::map<std::string, float> reals;
  std::map<std::string, std::string> texts;
  std::map<std::string, std::vector<int64_t>> integer_lists;
  std::map<std::string, Tensor> tensors;
};

struct Node {
  std::string op;                            // "Conv"
  std::vector<std::string> inputs, outputs;  // names of values; "" where an optional one is left out
  Attributes attributes;
  int64_t opset = 1;  // version of the operator set that the node belongs to
};

struct Model {
  std::vector<Node> nodes;
  std::map<std::string, Tensor> initialisers;
  std::vector<std::string> inputs, outputs;  // initialisers left out
};

/// Throws std::runtime_error where the file is no ONNX model.
Model read_model(const std::string& path);

/// Throws Unsupported for a file that holds something else than a tensor.
Tensor read_tensor(const std::string& path);

}  // namespace convoy::onnx
