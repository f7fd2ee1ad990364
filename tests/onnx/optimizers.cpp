// ai.onnx.preview.training: one step of an optimizer over several tensors. Inputs are R (rate), T (steps taken) and
// then all X, all G (gradients) and all of each state; outputs are all new X and all of each new state.
#include <cmath>
#include <limits>

#include "core/optim/optimizer.hpp"
#include "tests/onnx/operators.hpp"

namespace convoy::onnx {

namespace {

/// The tensors of a call in an arena of Convoy's.
class Step {
 public:
  Step(Call& call, const OptimizerOptions& options)
      : call_(call), optimizer_(make_optimizer(options)), states_(optimizer_->slots().size()) {
    tensors_ = (call.inputs() - 2) / (2 + states_);
    for (size_t i = 0; i < tensors_; ++i) {
      const Dims& dims = call.real(2 + i).dims;
      table_.add({.name = std::to_string(i), .shape = {product(dims, 0, dims.size())}});
    }
    const int slots = static_cast<int>(states_);
    memory_ = DeviceBuffer(cpu(), ParameterArena::bytes(table_, slots), "parameters");
    arena_ = std::make_unique<ParameterArena>(table_, slots, std::span(memory_.data(), memory_.bytes()));
    put(0, arena_->weights(), 1);
    put(1, arena_->gradients(), 1);
    for (size_t s = 0; s < states_; ++s) put(2 + s, arena_->slot(static_cast<int>(s)), 1);
  }

  /// Multiplies the first state, which ONNX keeps scaled by 1 / factor.
  void scale_state(float factor) { put(2, arena_->slot(0), factor); }

  void run(float rate, int64_t step) { optimizer_->update(*arena_, 0, table_.size(), {.step = step, .rate = rate}); }

  void give_out(float state_factor = 1) {
    take(0, arena_->weights(), 1);
    for (size_t s = 0; s < states_; ++s) take(1 + s, arena_->slot(static_cast<int>(s)), s == 0 ? state_factor : 1);
  }

 private:
  void put(size_t group, std::span<float> buffer, float factor) {
    for (size_t i = 0; i < tensors_; ++i) {
      const std::vector<float>& values = call_.real(2 + group * tensors_ + i).reals;
      const size_t offset = table_.segments()[i].offset;
      for (size_t k = 0; k < values.size(); ++k) buffer[offset + k] = values[k] * factor;
    }
  }
  void take(size_t group, std::span<const float> buffer, float factor) {
    for (size_t i = 0; i < tensors_; ++i) {
      std::vector<float> values;
      const Segment& segment = table_.segments()[i];
      for (const float value : buffer.subspan(segment.offset, segment.count)) values.push_back(value * factor);
      call_.outputs[group * tensors_ + i] = real_tensor(call_.real(2 + i).dims, std::move(values));
    }
  }

  Call& call_;
  std::unique_ptr<Optimizer> optimizer_;
  size_t states_, tensors_ = 0;
  SegmentTable table_;
  DeviceBuffer memory_;
  std::unique_ptr<ParameterArena> arena_;
};

float rate_of(const Call& call) {
  return call.real(0).reals.at(0);
}
int64_t steps_of(const Call& call) {
  return call.integer(1).integers.at(0);
}

/// ONNX's decay of the rate, R / (1 + T decay_factor), is Convoy's schedule `inverse`.
void adagrad(Call& call) {
  const float rate = rate_of(call) / (1 + static_cast<float>(steps_of(call)) * call.number("decay_factor", 0));
  Step step(call, {.name = "adagrad",
                   .epsilon = static_cast<double>(call.number("epsilon", 1e-6f)),
                   .weight_decay = call.number("norm_coefficient", 0)});
  step.run(rate, steps_of(call));
  step.give_out();
}

/// ONNX adds epsilon before the correction of the second moment, Convoy (with PyTorch and the paper) after it; and T =
/// 0 means no correction, which is what Convoy's comes to after very many steps.
void adam(Call& call) {
  if (call.number("norm_coefficient_post", 0) != 0) throw Unsupported("decay after the step, by a factor of its own");
  const auto beta1 = static_cast<double>(call.number("alpha", 0.9f)),
             beta2 = static_cast<double>(call.number("beta", 0.999f));
  const int64_t t = steps_of(call);
  const double correction = t > 0 ? std::sqrt(1 - std::pow(beta2, static_cast<double>(t))) : 1;
  Step step(call, {.name = "adam",
                   .beta1 = beta1,
                   .beta2 = beta2,
                   .epsilon = static_cast<double>(call.number("epsilon", 1e-6f)) / correction,
                   .weight_decay = call.number("norm_coefficient", 0)});
  step.run(rate_of(call), t > 0 ? t - 1 : int64_t{1} << 40);
  step.give_out();
}

/// ONNX scales gradients by beta after the first step. Without Nesterov that is a velocity beta times ours.
void momentum(Call& call) {
  const bool nesterov = call.text("mode", "standard") == "nesterov";
  const float beta = steps_of(call) > 0 ? call.number("beta", 1) : 1;
  if (beta != 1 && (nesterov || beta == 0)) throw Unsupported("dampened gradients");
  Step step(call, {.name = nesterov ? "nesterov" : "momentum",
                   .momentum = call.number("alpha", 0),
                   .weight_decay = call.number("norm_coefficient", 0)});
  step.scale_state(1 / beta);
  step.run(rate_of(call) * beta, steps_of(call));
  step.give_out(beta);
}

}  // namespace

OperatorTable optimizer_operators() {
  return {{"Adagrad", adagrad}, {"Adam", adam}, {"Momentum", momentum}};
}

}  // namespace convoy::onnx
