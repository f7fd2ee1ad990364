// The public entry of losses: checks their settings and hands them to the device's implementation.
#include "core/ops/loss.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/error.hpp"

namespace convoy {
namespace {

void check_class_weights(const LossSpec& spec) {
  const auto& weights = spec.class_weights;
  if (weights.empty()) return;
  if (spec.kind == LossSpec::Kind::mse && spec.classes == 1) {
    fail(ExitCode::usage,
         "loss mse: class weights need one score per class, but there is a single score, whose label is "
         "the number to come near to; leave the class weights out");
  }
  if (static_cast<int64_t>(weights.size()) != spec.classes) {
    fail(ExitCode::usage, "loss: ", weights.size(), " class weights for ", spec.classes,
         " classes; give one weight per class, or none");
  }
  const auto bad = std::find_if(weights.begin(), weights.end(), [](float w) { return !(std::isfinite(w) && w >= 0); });
  if (bad != weights.end()) {
    fail(ExitCode::usage, "loss: the weight of class ", bad - weights.begin(), " is ", *bad,
         "; give a number that is not negative");
  }
}

}  // namespace

std::unique_ptr<Loss> make_loss(Device& device, const LossSpec& spec, const OpOptions& options) {
  check_class_weights(spec);
  if (!(spec.smoothing >= 0 && spec.smoothing < 1)) {
    fail(ExitCode::usage, "loss softmax: smoothing=", spec.smoothing,
         " is not a share of the target; give a number from 0 to below 1");
  }
  if (!std::isfinite(spec.margin)) {
    fail(ExitCode::usage, "loss hinge: margin=", spec.margin, " is not a number; the usual margin is 1");
  }
  return make_for(device, make_loss_cpu, make_loss_cuda, spec, options);
}

}  // namespace convoy
