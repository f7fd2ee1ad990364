// The table of optimizers, and the walk over segments that they share.
#include "core/optim/optimizer.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/optim/update_kernels.hpp"

namespace convoy {

namespace {

constexpr float unset = OptimizerOptions::unset;

/// What of its segment an update may ask for, beside the elements.
struct SegmentFacts {
  const Segment& segment;
  double gradient_norm = 0, weight_norm = 0;  // of the clipped gradient; if the optimizer needs norms
};

using Update = void (*)(const OptimizerOptions& options, UpdateSpan span, const SegmentFacts& facts, int64_t step);

/// One row of the table. Defaults that are unset belong to keys that the optimizer does not know.
struct Method {
  std::string name;
  std::vector<std::string> slots;
  Update update;
  float momentum = unset;
  double decay_rate = unset, epsilon = unset;
  bool betas = false, trust = false;
};

float rest_of(double factor) {
  return static_cast<float>(1 - factor);
}

void update_sgd(const OptimizerOptions&, UpdateSpan span, const SegmentFacts&, int64_t) {
  sgd_kernel(span);
}

void update_momentum(const OptimizerOptions& o, UpdateSpan span, const SegmentFacts&, int64_t) {
  momentum_kernel(span, o.momentum);
}

void update_nesterov(const OptimizerOptions& o, UpdateSpan span, const SegmentFacts&, int64_t) {
  nesterov_kernel(span, o.momentum);
}

void update_adagrad(const OptimizerOptions& o, UpdateSpan span, const SegmentFacts&, int64_t) {
  adagrad_kernel(span, static_cast<float>(o.epsilon));
}

void update_rmsprop(const OptimizerOptions& o, UpdateSpan span, const SegmentFacts&, int64_t) {
  const auto alpha = static_cast<float>(o.decay_rate), epsilon = static_cast<float>(o.epsilon);
  if (o.momentum == 0) {
    rmsprop_kernel(span, alpha, rest_of(o.decay_rate), epsilon);
  } else {
    rmsprop_momentum_kernel(span, alpha, rest_of(o.decay_rate), epsilon, o.momentum);
  }
}

void update_adadelta(const OptimizerOptions& o, UpdateSpan span, const SegmentFacts&, int64_t) {
  adadelta_kernel(span, static_cast<float>(o.decay_rate), rest_of(o.decay_rate), static_cast<float>(o.epsilon));
}

AdamFactors adam_factors(const OptimizerOptions& o, float rate, int64_t step) {
  const auto t = static_cast<double>(step + 1);
  return {.beta1 = static_cast<float>(o.beta1),
          .beta1_rest = rest_of(o.beta1),
          .beta2 = static_cast<float>(o.beta2),
          .beta2_rest = rest_of(o.beta2),
          .epsilon = static_cast<float>(o.epsilon),
          .rate = static_cast<float>(static_cast<double>(rate) / (1 - std::pow(o.beta1, t))),
          .root2 = static_cast<float>(1 / std::sqrt(1 - std::pow(o.beta2, t)))};
}

void update_adam(const OptimizerOptions& o, UpdateSpan span, const SegmentFacts&, int64_t step) {
  adam_kernel(span, adam_factors(o, span.rate, step));
}

void update_adamw(const OptimizerOptions& o, UpdateSpan span, const SegmentFacts&, int64_t step) {
  AdamFactors factors = adam_factors(o, span.rate, step);
  factors.shrink = static_cast<float>(1 - static_cast<double>(span.rate) * static_cast<double>(span.slope.decay));
  span.slope.decay = 0;
  adam_kernel(span, factors);
}

double local_rate(double trust, double decay, const SegmentFacts& facts) {
  const double below = facts.gradient_norm + decay * facts.weight_norm;
  // Weights that are all zero could never leave it, and a zero below means that there is no step to scale.
  return facts.weight_norm == 0 || below == 0 ? 1 : trust * facts.weight_norm / below;
}

void update_lars(const OptimizerOptions& o, UpdateSpan span, const SegmentFacts& facts, int64_t) {
  if (facts.segment.role == Segment::Role::weight) {
    const auto local = static_cast<float>(local_rate(o.trust, static_cast<double>(span.slope.decay), facts));
    span.slope = {.scale = span.slope.scale * local, .decay = span.slope.decay * local, .l1 = span.slope.l1 * local};
  }
  momentum_kernel(span, o.momentum);
}

const std::vector<Method>& methods() {
  static const std::vector<Method> table = {
      {.name = "sgd", .slots = {}, .update = update_sgd},
      {.name = "momentum", .slots = {"momentum"}, .update = update_momentum, .momentum = 0.9f},
      {.name = "nesterov", .slots = {"momentum"}, .update = update_nesterov, .momentum = 0.9f},
      {.name = "adagrad", .slots = {"square_sum"}, .update = update_adagrad, .epsilon = 1e-10},
      {.name = "rmsprop",
       .slots = {"square_average"},  // and with momentum, that
       .update = update_rmsprop,
       .momentum = 0,
       .decay_rate = 0.99,
       .epsilon = 1e-8},
      {.name = "adadelta",
       .slots = {"square_average", "step_average"},
       .update = update_adadelta,
       .decay_rate = 0.9,
       .epsilon = 1e-6},
      {.name = "adam",
       .slots = {"first_moment", "second_moment"},
       .update = update_adam,
       .epsilon = 1e-8,
       .betas = true},
      {.name = "adamw",
       .slots = {"first_moment", "second_moment"},
       .update = update_adamw,
       .epsilon = 1e-8,
       .betas = true},
      {.name = "lars", .slots = {"momentum"}, .update = update_lars, .momentum = 0.9f, .trust = true},
  };
  return table;
}

const Method& method_of(const std::string& name) {
  for (const Method& method : methods()) {
    if (method.name == name) return method;
  }
  const std::string near = nearest_word(name, optimizer_names());
  fail(ExitCode::usage, "optimizer '", name, "' is not known; ",
       near.empty() ? "use one of: " + join(optimizer_names(), ", ") : "did you mean '" + near + "'?");
}

void check_fraction(const char* key, double value) {
  if (value >= 0 && value < 1) return;
  fail(ExitCode::usage, key, " = ", value, ": expected a number from 0 to below 1; at 1 nothing new would ever count");
}

void check_not_negative(const char* key, double value) {
  if (value >= 0 && std::isfinite(value)) return;
  fail(ExitCode::usage, key, " = ", value, ": expected a number, at least 0");
}

OptimizerOptions resolved(OptimizerOptions o, const Method& method) {
  if (o.momentum == unset) o.momentum = std::max(method.momentum, 0.0f);
  if (o.decay_rate == unset) o.decay_rate = std::max(method.decay_rate, 0.0);
  if (o.epsilon == unset) o.epsilon = std::max(method.epsilon, 0.0);
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

class TableOptimizer : public Optimizer {
 public:
  explicit TableOptimizer(const OptimizerOptions& options)
      : method_(method_of(options.name)), options_(resolved(options, method_)) {}

  std::vector<std::string> slots() const override {
    std::vector<std::string> names = method_.slots;
    if (method_.name == "rmsprop" && options_.momentum != 0) names.emplace_back("momentum");
    return names;
  }

  NormNeed norm_need() const override {
    if (method_.trust) return NormNeed::gradients_and_weights;
    return options_.clip_norm > 0 ? NormNeed::gradients : NormNeed::none;
  }

  void update(const ParameterArena& arena, size_t begin, std::span<const float> gradients,
              const UpdateStep& step) const override {
    const size_t end = begin + gradients.size();
    const double scale = clip_scale(step);
    const auto& segments = arena.table().segments();
    auto segment = std::ranges::upper_bound(segments, begin, {}, [](const Segment& s) { return s.offset + s.count; });
    for (; segment != segments.end() && segment->offset < end; ++segment) {
      const size_t first = std::max(begin, segment->offset);
      const size_t last = std::min(end, segment->offset + segment->count);
      if (first >= last) continue;
      UpdateSpan span{.count = last - first,
                      .weights = arena.weights().data() + first,
                      .gradients = gradients.data() + (first - begin)};
      if (!segment->is_parameter()) {
        average_kernel(span.weights, span.gradients, span.count, segment->average_rate);
        continue;
      }
      for (int slot = 0; slot < arena.slots(); ++slot) {
        span.slots[static_cast<size_t>(slot)] = arena.slot(slot).data() + first;
      }
      SegmentFacts facts{.segment = *segment};
      if (!step.norms.empty()) {
        const SquaredNorms& squares = step.norms[static_cast<size_t>(segment - segments.begin())];
        facts.gradient_norm = scale * std::sqrt(squares.gradient);
        facts.weight_norm = std::sqrt(squares.weight);
      }
      const bool lifted = options_.decay_bias && segment->role == Segment::Role::bias;
      const float multiplier = lifted ? 1 : segment->decay_multiplier;
      span.rate = step.rate * segment->rate_multiplier;
      span.slope = {.scale = static_cast<float>(scale),
                    .decay = options_.weight_decay * multiplier,
                    .l1 = options_.l1 * multiplier};
      method_.update(options_, span, facts, step.step);
    }
  }

 private:
  double clip_scale(const UpdateStep& step) const {
    if (options_.clip_norm == 0) return 1;
    double squares = 0;
    for (const SquaredNorms& norms : step.norms) squares += norms.gradient;
    const double scale = options_.clip_norm / (std::sqrt(squares) + 1e-6);
    return scale > 1 ? 1 : scale;  // a NaN stays one, so that the run is seen to diverge
  }

  const Method& method_;
  OptimizerOptions options_;
};

}  // namespace

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  for (const Method& method : methods()) names.push_back(method.name);
  return names;
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options) {
  return std::make_unique<TableOptimizer>(options);
}

std::vector<std::string> unused_optimizer_keys(const OptimizerOptions& options) {
  const Method& method = method_of(options.name);
  const OptimizerOptions plain;
  std::vector<std::string> keys;
  const auto check = [&](const char* key, bool given, bool used) {
    if (given && !used) keys.emplace_back(key);
  };
  check("momentum", options.momentum != plain.momentum, method.momentum != unset);
  check("beta1", options.beta1 != plain.beta1, method.betas);
  check("beta2", options.beta2 != plain.beta2, method.betas);
  check("decay-rate", options.decay_rate != plain.decay_rate, method.decay_rate != unset);
  check("epsilon", options.epsilon != plain.epsilon, method.epsilon != unset);
  check("trust", options.trust != plain.trust, method.trust);
  return keys;
}

}  // namespace convoy
