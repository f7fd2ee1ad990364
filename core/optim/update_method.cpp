#include "core/optim/update_method.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {
namespace {

constexpr float unset = OptimizerOptions::unset;

float rest_of(double factor) {
  return static_cast<float>(1 - factor);
}

double local_rate(double trust, double decay, double gradient_norm, double weight_norm) {
  const double below = gradient_norm + decay * weight_norm;
  // Weights that are all zero could never leave it, and a zero below means that there is no step to scale.
  return weight_norm == 0 || below == 0 ? 1 : trust * weight_norm / below;
}

void check_fraction(const char* key, double value) {
  if (value >= 0 && value < 1) return;
  fail(ExitCode::usage, key, " = ", value, ": expected a number from 0 to below 1; at 1 nothing new would ever count");
}

void check_not_negative(const char* key, double value) {
  if (value >= 0 && std::isfinite(value)) return;
  fail(ExitCode::usage, key, " = ", value, ": expected a number, at least 0");
}

}  // namespace

/// Defaults that are unset belong to keys that the optimizer does not know.
struct UpdateMethod::Row {
  std::string name;
  std::vector<std::string> slots;
  Rule rule;
  float momentum = unset;
  double decay_rate = unset, epsilon = unset;
  bool betas = false, trust = false;
  bool decay_apart = false;  // weight decay is no part of the slope

  OptimizerOptions resolved(OptimizerOptions o) const {
    if (o.momentum == unset) o.momentum = std::max(momentum, 0.0f);
    if (o.decay_rate == unset) o.decay_rate = std::max(decay_rate, 0.0);
    if (o.epsilon == unset) o.epsilon = std::max(epsilon, 0.0);
    check_fraction("momentum", static_cast<double>(o.momentum));
    check_fraction("beta1", o.beta1);
    check_fraction("beta2", o.beta2);
    check_fraction("decay-rate", o.decay_rate);
    check_not_negative("epsilon", o.epsilon);
    check_not_negative("trust", o.trust);
    check_not_negative("clip-norm", o.clip_norm);
    check_not_negative("weight-decay", static_cast<double>(o.weight_decay));
    check_not_negative("l1", static_cast<double>(o.l1));
    return o;
  }
};

const std::vector<UpdateMethod::Row>& UpdateMethod::rows() {
  static const std::vector<Row> table = {
      {.name = "sgd", .slots = {}, .rule = Rule::sgd},
      {.name = "momentum", .slots = {"momentum"}, .rule = Rule::momentum, .momentum = 0.9f},
      {.name = "nesterov", .slots = {"momentum"}, .rule = Rule::nesterov, .momentum = 0.9f},
      {.name = "adagrad", .slots = {"square_sum"}, .rule = Rule::adagrad, .epsilon = 1e-10},
      {.name = "rmsprop",
       .slots = {"square_average"},  // and with momentum, that
       .rule = Rule::rmsprop,
       .momentum = 0,
       .decay_rate = 0.99,
       .epsilon = 1e-8},
      {.name = "adadelta",
       .slots = {"square_average", "step_average"},
       .rule = Rule::adadelta,
       .decay_rate = 0.9,
       .epsilon = 1e-6},
      {.name = "adam", .slots = {"first_moment", "second_moment"}, .rule = Rule::adam, .epsilon = 1e-8, .betas = true},
      {.name = "adamw",
       .slots = {"first_moment", "second_moment"},
       .rule = Rule::adam,
       .epsilon = 1e-8,
       .betas = true,
       .decay_apart = true},
      {.name = "lars", .slots = {"momentum"}, .rule = Rule::momentum, .momentum = 0.9f, .trust = true},
  };
  return table;
}

const UpdateMethod::Row& UpdateMethod::row_of(const std::string& name) {
  for (const Row& row : rows()) {
    if (row.name == name) return row;
  }
  const std::string near = nearest_word(name, optimizer_names());
  fail(ExitCode::usage, "optimizer '", name, "' is not known; ",
       near.empty() ? "use one of: " + join(optimizer_names(), ", ") : "did you mean '" + near + "'?");
}

UpdateMethod::UpdateMethod(const OptimizerOptions& options)
    : row_(row_of(options.name)),
      options_(row_.resolved(options)),
      factors_{.mu = options_.momentum,
               .decay = static_cast<float>(options_.decay_rate),
               .decay_rest = rest_of(options_.decay_rate),
               .beta1 = static_cast<float>(options_.beta1),
               .beta1_rest = rest_of(options_.beta1),
               .beta2 = static_cast<float>(options_.beta2),
               .beta2_rest = rest_of(options_.beta2),
               .epsilon = static_cast<float>(options_.epsilon)} {}

Rule UpdateMethod::rule() const {
  return row_.rule == Rule::rmsprop && options_.momentum != 0 ? Rule::rmsprop_momentum : row_.rule;
}

std::vector<std::string> UpdateMethod::slots() const {
  std::vector<std::string> names = row_.slots;
  if (rule() == Rule::rmsprop_momentum) names.emplace_back("momentum");
  return names;
}

NormNeed UpdateMethod::norm_need() const {
  if (row_.trust) return NormNeed::gradients_and_weights;
  return options_.clip_norm > 0 ? NormNeed::gradients : NormNeed::none;
}

UpdateMethod::StepFactors UpdateMethod::factors_of(const UpdateStep& step) const {
  StepFactors common;
  if (options_.clip_norm > 0) {
    double squares = 0;
    for (const SquaredNorms& norms : step.norms) squares += norms.gradient;
    const double scale = options_.clip_norm / (std::sqrt(squares) + 1e-6);
    common.clip_scale = scale > 1 ? 1 : scale;  // a NaN stays one, so that the run is seen to diverge
  }
  if (row_.betas) {
    const auto t = static_cast<double>(step.step + 1);
    common.first_moment = 1 - std::pow(options_.beta1, t);
    common.root2 = static_cast<float>(1 / std::sqrt(1 - std::pow(options_.beta2, t)));
  }
  return common;
}

SegmentFactors UpdateMethod::factors_of(const SegmentTable& table, size_t index, const UpdateStep& step,
                                        const StepFactors& common) const {
  const Segment& segment = table.segments()[index];
  if (!segment.is_parameter()) return {.average_rate = segment.average_rate};
  const bool lifted = options_.decay_bias && segment.role == Segment::Role::bias;
  const float multiplier = lifted ? 1 : segment.decay_multiplier;
  SegmentFactors factors{.rate = step.rate * segment.rate_multiplier,
                         .slope = {.scale = static_cast<float>(common.clip_scale),
                                   .decay = options_.weight_decay * multiplier,
                                   .l1 = options_.l1 * multiplier}};
  const auto rate = static_cast<double>(factors.rate), decay = static_cast<double>(factors.slope.decay);
  if (row_.decay_apart) {
    factors.shrink = static_cast<float>(1 - rate * decay);
    factors.slope.decay = 0;
  }
  if (row_.betas) {
    factors.rate = static_cast<float>(rate / common.first_moment);
    factors.root2 = common.root2;
  }
  if (row_.trust && segment.role == Segment::Role::weight) {
    const SquaredNorms squares = step.norms.empty() ? SquaredNorms() : step.norms[index];
    const auto local = static_cast<float>(
        local_rate(options_.trust, decay, common.clip_scale * std::sqrt(squares.gradient), std::sqrt(squares.weight)));
    const Slope& slope = factors.slope;
    factors.slope = {.scale = slope.scale * local, .decay = slope.decay * local, .l1 = slope.l1 * local};
  }
  return factors;
}

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  for (const UpdateMethod::Row& row : UpdateMethod::rows()) names.push_back(row.name);
  return names;
}

std::vector<std::string> unused_optimizer_keys(const OptimizerOptions& options) {
  const UpdateMethod::Row& row = UpdateMethod::row_of(options.name);
  const OptimizerOptions plain;
  std::vector<std::string> keys;
  const auto check = [&](const char* key, bool given, bool used) {
    if (given && !used) keys.emplace_back(key);
  };
  check("momentum", options.momentum != plain.momentum, row.momentum != unset);
  check("beta1", options.beta1 != plain.beta1, row.betas);
  check("beta2", options.beta2 != plain.beta2, row.betas);
  check("decay-rate", options.decay_rate != plain.decay_rate, row.decay_rate != unset);
  check("epsilon", options.epsilon != plain.epsilon, row.epsilon != unset);
  check("trust", options.trust != plain.trust, row.trust);
  return keys;
}

}  // namespace convoy
