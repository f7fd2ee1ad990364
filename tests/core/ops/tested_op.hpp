// An op case brought into one form: named inputs, an output, gradients - by the oracle and by the op itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/ops/op.hpp"
#include "tests/core/ops/oracle.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy::testing {

/// What a case is run on: the same numbers for the op (as floats) and for the oracle (as doubles).
struct OpData {
  std::vector<std::vector<float>> inputs;  // x first; then weight, bias
  std::vector<int32_t> labels;
  std::vector<float> dy;
};

struct OpResult {
  std::vector<float> y;
  std::vector<std::vector<float>> gradients;  // one per input; empty where there is none
};

class TestedOp {
 public:
  virtual ~TestedOp() = default;

  /// Made-up data without kinks near by; `seed` tells different draws apart. Weights are the same in all of them.
  virtual OpData data(uint64_t seed) const = 0;

  virtual Sums output(const std::vector<Doubles>& inputs, const OpData& data) const = 0;
  /// Of sum(dy * output), one per input; empty where the op gives none.
  virtual std::vector<Sums> gradients(const std::vector<Doubles>& inputs, const OpData& data) const = 0;

  /// Whether forward's output is what the gradients are taken through: a fused relu's is not.
  virtual bool differentiable() const { return true; }
  virtual bool has_input_gradient() const { return true; }
  /// Relative error of one term, in units of 2^-24.
  virtual double term_error() const { return 1; }

  /// Makes the op and gives it memory and weights.
  virtual void prepare(Device& device, const OpOptions& options) = 0;
  /// Forward and backward; with Write::accumulate the input's gradient is added to `before`. Calls for different teams
  /// may overlap.
  virtual OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) = 0;
};

/// One block of scratch per team, filled with NaN, so that reading what was never written shows.
class Scratch {
 public:
  void prepare(Device& device, size_t bytes, int teams) {
    blocks_.clear();
    for (int team = 0; team < teams; ++team) {
      blocks_.emplace_back(device, std::vector<float>((bytes + sizeof(float) - 1) / sizeof(float), NAN));
    }
  }
  OpContext context(int team) const { return {.team = team, .scratch = blocks_[static_cast<size_t>(team)].data()}; }

 private:
  std::vector<OnDevice<float>> blocks_;
};

/// Memory for an op's output, NaN until it is written.
inline std::vector<float> sized(size_t n) {
  return std::vector<float>(n, NAN);
}

std::unique_ptr<TestedOp> make_tested_op(const OpCase& op_case);

inline std::vector<Doubles> as_doubles(const std::vector<std::vector<float>>& values) {
  std::vector<Doubles> out;
  for (const auto& v : values) out.emplace_back(v.begin(), v.end());
  return out;
}

}  // namespace convoy::testing
