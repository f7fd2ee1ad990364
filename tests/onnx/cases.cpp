#include "tests/onnx/cases.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "tests/onnx/operators.hpp"

namespace convoy::onnx {

namespace {

namespace fs = std::filesystem;
using Values = std::map<std::string, Tensor>;

constexpr double relative_tolerance = 1e-3, absolute_tolerance = 1e-7;

std::string text(const Dims& dims) {
  std::string out = "(";
  for (size_t i = 0; i < dims.size(); ++i) out += (i ? "," : "") + std::to_string(dims[i]);
  return out + ")";
}

/// One case of onnx 1.12 was computed with an epsilon that its model does not state (so it would be 1e-6); the script
/// that made it means to (onnx/backend/test/case/node/adam.py), and later data does.
void mend(Model& model, const std::string& name) {
  if (name == "test_adam_multiple") model.nodes.at(0).attributes.reals.try_emplace("epsilon", 1e-2f);
}

void check_operators(const Model& model) {
  const OperatorTable moving = moving_operators();
  bool computes = false;
  for (const Node& node : model.nodes) {
    if (!operators().contains(node.op)) throw Unsupported("Convoy has no " + node.op);
    computes |= !moving.contains(node.op);
  }
  if (!computes) throw Unsupported("nothing to compute");
}

/// Runs the nodes in order, which ONNX guarantees to be a valid one.
void run(const Model& model, Values& values) {
  for (const Node& node : model.nodes) {
    std::vector<const Tensor*> inputs;
    for (const std::string& name : node.inputs) inputs.push_back(name.empty() ? nullptr : &values.at(name));
    Call call(node, std::move(inputs));
    operators().at(node.op)(call);
    for (size_t i = 0; i < node.outputs.size(); ++i) values[node.outputs[i]] = std::move(call.outputs[i]);
  }
}

/// "" where `found` is what was expected.
std::string difference(const Tensor& found, const Tensor& expected) {
  if (found.dims != expected.dims) return "shape " + text(found.dims) + " instead of " + text(expected.dims);
  if (expected.type == Tensor::Type::integer) return found.integers == expected.integers ? "" : "other integers";
  if (found.reals.size() != expected.reals.size()) return "no values";
  double largest = 0;
  bool wrong = false;
  for (size_t i = 0; i < expected.reals.size(); ++i) {
    const auto a = static_cast<double>(found.reals[i]), b = static_cast<double>(expected.reals[i]);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    const double error = std::abs(a - b);
    if (!(error <= absolute_tolerance + relative_tolerance * std::abs(b))) wrong = true;
    largest = std::isnan(error) ? error : std::max(largest, error);
  }
  if (!wrong) return "";
  std::ostringstream out;
  out << "largest error " << largest;
  return out.str();
}

std::string judge_data_set(const Model& model, const fs::path& folder) {
  const auto file = [&](const char* kind, size_t i) { return folder / (kind + std::to_string(i) + ".pb"); };
  Values values(model.initialisers.begin(), model.initialisers.end());
  for (size_t i = 0; i < model.inputs.size() && fs::exists(file("input_", i)); ++i) {
    values[model.inputs[i]] = read_tensor(file("input_", i));
  }
  run(model, values);
  for (size_t i = 0; i < model.outputs.size(); ++i) {
    const std::string off = difference(values[model.outputs[i]], read_tensor(file("output_", i)));
    if (!off.empty()) return off + " in output " + model.outputs[i];
  }
  return "";
}

}  // namespace

std::vector<std::string> find_cases(const std::string& folder) {
  std::vector<std::string> found;
  if (fs::exists(fs::path(folder) / "model.onnx")) found.push_back(folder);
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().filename() == "model.onnx") found.push_back(entry.path().parent_path());
  }
  std::ranges::sort(found);
  found.erase(std::ranges::unique(found).begin(), found.end());
  return found;
}

Verdict judge(const std::string& folder) {
  try {
    Model model = read_model(folder + "/model.onnx");
    mend(model, fs::path(folder).lexically_normal().filename());
    check_operators(model);
    int sets = 0;
    for (; fs::exists(folder + "/test_data_set_" + std::to_string(sets)); ++sets) {
      const std::string off = judge_data_set(model, folder + "/test_data_set_" + std::to_string(sets));
      if (!off.empty()) return {Verdict::Kind::fail, off};
    }
    return sets > 0 ? Verdict{} : Verdict{Verdict::Kind::fail, "no test_data_set_0"};
  } catch (const Unsupported& reason) {
    return {Verdict::Kind::unsupported, reason.what()};
  } catch (const std::exception& error) {
    return {Verdict::Kind::fail, error.what()};
  }
}

}  // namespace convoy::onnx
