// Cases in the layout of ONNX's test data: a folder with model.onnx and test_data_set_N/input_N.pb, output_N.pb.
#pragma once

#include <string>
#include <vector>

namespace convoy::onnx {

/// Folders below `folder`, or itself, that hold a model; in the order of their names.
std::vector<std::string> find_cases(const std::string& folder);

struct Verdict {
  enum class Kind { pass, fail, unsupported };
  Kind kind = Kind::pass;
  std::string detail;  // the largest error, or the reason
};

/// Runs all data sets of a case. Outputs must have the expected shape, and values |a - b| <= 1e-7 + 1e-3 |b|: the
/// tolerance of ONNX's own runner.
Verdict judge(const std::string& folder);

}  // namespace convoy::onnx
