#include "core/optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/base/error.hpp"
#include "core/base/text.hpp"

namespace convoy {

namespace {

using Formula = double (*)(const ScheduleOptions& options, int64_t step);

/// One row of the table: a schedule and the keys that it reads.
struct Curve {
  std::string name;
  std::vector<std::string> keys;
  double gamma;  // by default; unset where it must be given
  Formula formula;
};

double constant(const ScheduleOptions& o, int64_t) {
  return o.rate;
}

double step_wise(const ScheduleOptions& o, int64_t step) {
  const int64_t drops = step / o.step_size;
  return o.rate * std::pow(o.gamma, static_cast<double>(drops));
}

double multistep(const ScheduleOptions& o, int64_t step) {
  const auto passed = std::ranges::upper_bound(o.milestones, step) - o.milestones.begin();
  return o.rate * std::pow(o.gamma, static_cast<double>(passed));
}

double exponential(const ScheduleOptions& o, int64_t step) {
  return o.rate * std::pow(o.gamma, static_cast<double>(step));
}

double inv(const ScheduleOptions& o, int64_t step) {
  return o.rate * std::pow(1 + o.gamma * static_cast<double>(step), -o.power);
}

/// The part of the run that is over.
double progress(const ScheduleOptions& o, int64_t step) {
  return std::min(1.0, static_cast<double>(step) / static_cast<double>(o.total));
}

double poly(const ScheduleOptions& o, int64_t step) {
  return o.rate * std::pow(1 - progress(o, step), o.power);
}

double cosine(const ScheduleOptions& o, int64_t step) {
  return o.min_rate + 0.5 * (o.rate - o.min_rate) * (1 + std::cos(std::numbers::pi * progress(o, step)));
}

const std::vector<Curve>& curves() {
  constexpr double none = ScheduleOptions::unset;
  static const std::vector<Curve> table = {
      {"constant", {}, none, constant},
      {"step", {"gamma", "step-size"}, 0.1, step_wise},
      {"multistep", {"gamma", "milestones"}, 0.1, multistep},
      {"exponential", {"gamma"}, none, exponential},
      {"inv", {"gamma", "power"}, none, inv},
      {"poly", {"power"}, none, poly},
      {"cosine", {"min-rate"}, none, cosine},
  };
  return table;
}

const Curve& curve_of(const std::string& name) {
  for (const Curve& curve : curves()) {
    if (curve.name == name) return curve;
  }
  const std::string near = nearest_word(name, schedule_names());
  fail(ExitCode::usage, "schedule '", name, "' is not known; ",
       near.empty() ? "use one of: " + join(schedule_names(), ", ") : "did you mean '" + near + "'?");
}

bool reads(const Curve& curve, const std::string& key) {
  return std::ranges::find(curve.keys, key) != curve.keys.end();
}

void check(const ScheduleOptions& o, const Curve& curve) {
  const auto lacks = [&](const char* what) { fail(ExitCode::usage, "schedule = ", o.name, " needs ", what); };
  if (reads(curve, "step-size") && o.step_size <= 0) {
    lacks("the number of steps between drops: give step-size (in steps) or step-epochs");
  }
  if (reads(curve, "milestones") && o.milestones.empty()) {
    lacks("the steps at which the rate drops: give milestones (in steps) or milestone-epochs");
  }
  if (!std::ranges::is_sorted(o.milestones) || (!o.milestones.empty() && o.milestones.front() < 0)) {
    fail(ExitCode::usage, "schedule = ", o.name, ": milestones must rise, from 0 on; put them in order");
  }
  if (reads(curve, "gamma") && o.gamma == ScheduleOptions::unset) {
    lacks(o.name == "inv" ? "gamma, as in (1 + gamma step)^-power: try gamma = 0.0001"
                          : "gamma, the factor of every single step: try gamma = 0.9999");
  }
  if (o.total <= 0 && (o.name == "poly" || o.name == "cosine")) lacks("the number of steps of the run");
  if (reads(curve, "min-rate") && o.min_rate > o.rate) {
    fail(ExitCode::usage, "min-rate = ", o.min_rate, " is above the learning rate, ", o.rate, "; choose a smaller one");
  }
}

}  // namespace

std::vector<std::string> schedule_names() {
  std::vector<std::string> names;
  for (const Curve& curve : curves()) names.push_back(curve.name);
  return names;
}

Schedule::Schedule(const ScheduleOptions& options) : options_(options) {
  const Curve& curve = curve_of(options.name);
  if (options_.gamma == ScheduleOptions::unset) options_.gamma = curve.gamma;
  check(options_, curve);
  formula_ = curve.formula;
}

double Schedule::rate(int64_t step) const {
  const double warm =
      step < options_.warmup ? static_cast<double>(step + 1) / static_cast<double>(options_.warmup) : 1.0;
  return warm * formula_(options_, step);
}

std::vector<std::string> unused_schedule_keys(const ScheduleOptions& options) {
  const Curve& curve = curve_of(options.name);
  const ScheduleOptions plain;
  std::vector<std::string> keys;
  const auto look_at = [&](const char* key, bool given) {
    if (given && !reads(curve, key)) keys.emplace_back(key);
  };
  look_at("gamma", options.gamma != plain.gamma);
  look_at("step-size", options.step_size != plain.step_size);
  look_at("milestones", options.milestones != plain.milestones);
  look_at("power", options.power != plain.power);
  look_at("min-rate", options.min_rate != plain.min_rate);
  return keys;
}

}  // namespace convoy
