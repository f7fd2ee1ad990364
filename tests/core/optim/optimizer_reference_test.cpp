// Every optimizer against PyTorch's numbers (torch_sequences.py), and against its formula in float64 over random
// gradients, several segments and ranges cut anywhere.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>

#include "tests/core/optim/tested_optimizer.hpp"
#include "tests/core/optim/torch_sequences.hpp"

namespace convoy {
namespace {

// As in torch_sequences.py.
float start(size_t i) {
  return static_cast<float>(static_cast<int>(i * 37 % 64) - 31) / 32;
}
float gradient(size_t step, size_t i) {
  return static_cast<float>(static_cast<int>((i * 29 + step * 53 + i * step * 7) % 97) - 48) / 64;
}

using OptimizerSequences = testing::DeviceTest;

TEST_F(OptimizerSequences, GoesWherePyTorchGoes) {
  for (const TorchSequence& torch : torch_sequences) {
    SegmentTable table;
    table.add({.name = "weight", .shape = {5}});
    table.add({.name = "bias", .shape = {3}, .decay_multiplier = 0, .rate_multiplier = 2, .role = Segment::Role::bias});
    const TestedOptimizer test(std::move(table), torch.options);
    const auto element = [&](std::span<float> (TestArena::*buffer)(size_t) const, size_t i) -> float& {
      return i < 5 ? (test.*buffer)(0)[i] : (test.*buffer)(1)[i - 5];
    };
    for (size_t i = 0; i < 8; ++i) element(&TestArena::weights, i) = start(i);
    for (size_t step = 0; step < 10; ++step) {
      for (size_t i = 0; i < 8; ++i) element(&TestArena::gradients, i) = gradient(step, i);
      test.take_step(torch.rate, static_cast<int64_t>(step), {3, 64});
    }
    for (size_t i = 0; i < 8; ++i) {
      // Ten fp32 steps carry a few 1e-7 of rounding, Adadelta's growing ones a little more.
      const double expected = torch.weights[i];
      EXPECT_NEAR(element(&TestArena::weights, i), expected, 2e-6 * std::max(1.0, std::abs(expected)))
          << torch.options.name << " " << i;
    }
  }
}

/// One element in float64, with the state of whichever optimizer it has.
struct Reference {
  double w = 0, average = 0, square = 0, move = 0;
};

/// Of a segment and a step.
struct Terms {
  double rate = 0, decay = 0, t = 0, local = 1;
};

using Formula = void (*)(const OptimizerOptions& o, const Terms& terms, double d, Reference& x);

const std::map<std::string, Formula> formulas = {
    {"sgd", [](const OptimizerOptions&, const Terms& s, double d, Reference& x) { x.w = x.w - s.rate * d; }},
    {"momentum",
     [](const OptimizerOptions&, const Terms& s, double d, Reference& x) {
       x.average = 0.9 * x.average + d;
       x.w -= s.rate * x.average;
     }},
    {"nesterov",
     [](const OptimizerOptions&, const Terms& s, double d, Reference& x) {
       x.average = 0.9 * x.average + d;
       x.w -= s.rate * (0.9 * x.average + d);
     }},
    {"adagrad",
     [](const OptimizerOptions&, const Terms& s, double d, Reference& x) {
       x.square += d * d;
       x.w -= s.rate * d / (std::sqrt(x.square) + 1e-10);
     }},
    {"rmsprop",
     [](const OptimizerOptions& o, const Terms& s, double d, Reference& x) {
       x.square += 0.01 * (d * d - x.square);
       x.average =
           (o.momentum > 0 ? static_cast<double>(o.momentum) : 0) * x.average + d / (std::sqrt(x.square) + 1e-8);
       x.w -= s.rate * x.average;
     }},
    {"adadelta",
     [](const OptimizerOptions&, const Terms& s, double d, Reference& x) {
       x.square += 0.1 * (d * d - x.square);
       const double step = std::sqrt((x.move + 1e-6) / (x.square + 1e-6)) * d;
       x.move += 0.1 * (step * step - x.move);
       x.w -= s.rate * step;
     }},
    {"adam",
     [](const OptimizerOptions& o, const Terms& s, double d, Reference& x) {
       x.average += (1 - o.beta1) * (d - x.average);
       x.square += (1 - o.beta2) * (d * d - x.square);
       x.w -= s.rate * x.average / (1 - std::pow(o.beta1, s.t)) /
              (std::sqrt(x.square / (1 - std::pow(o.beta2, s.t))) + 1e-8);
     }},
    {"adamw",
     [](const OptimizerOptions& o, const Terms& s, double d, Reference& x) {
       x.w -= s.rate * s.decay * x.w;
       x.average += (1 - o.beta1) * (d - x.average);
       x.square += (1 - o.beta2) * (d * d - x.square);
       x.w -= s.rate * (x.average / (1 - std::pow(o.beta1, s.t))) /
              (std::sqrt(x.square) / std::sqrt(1 - std::pow(o.beta2, s.t)) + 1e-8);
     }},
    {"lars",
     [](const OptimizerOptions&, const Terms& s, double d, Reference& x) {
       x.average = 0.9 * x.average + s.local * d;
       x.w -= s.rate * x.average;
     }},
};

SegmentTable several_segments() {
  SegmentTable table;
  table.add({.name = "fc1/weight", .shape = {37, 11}});
  table.add(
      {.name = "fc1/bias", .shape = {37}, .decay_multiplier = 0, .rate_multiplier = 2, .role = Segment::Role::bias});
  table.add({.name = "bn1/mean", .shape = {70}, .average_rate = 0.1f});
  table.add({.name = "conv1/weight", .shape = {128}, .decay_multiplier = 2, .rate_multiplier = 0.5f});
  table.add({.name = "conv1/bias", .shape = {1}, .decay_multiplier = 0, .role = Segment::Role::bias});
  return table;
}

using References = std::vector<std::vector<Reference>>;  // of each segment

double norm_of(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum);
}

double norm_of(const std::vector<Reference>& weights) {
  double sum = 0;
  for (const Reference& x : weights) sum += x.w * x.w;
  return std::sqrt(sum);
}

double clip_scale(const OptimizerOptions& o, const TestArena& test) {
  double sum = 0;
  for (size_t s = 0; s < test.table.segments().size(); ++s) {
    if (test.table.segments()[s].is_parameter()) sum += std::pow(norm_of(test.gradients(s)), 2);
  }
  return o.clip_norm > 0 ? std::min(1.0, o.clip_norm / (std::sqrt(sum) + 1e-6)) : 1;
}

void reference_step(const OptimizerOptions& o, double rate, int64_t step, const TestArena& test,
                    References& references) {
  const double scale = clip_scale(o, test);
  for (size_t s = 0; s < references.size(); ++s) {
    const Segment& segment = test.table.segments()[s];
    const bool bias = segment.role == Segment::Role::bias;
    const double multiplier = o.decay_bias && bias ? 1 : static_cast<double>(segment.decay_multiplier);
    Terms terms{.rate = rate * static_cast<double>(segment.rate_multiplier),
                .decay = multiplier * static_cast<double>(o.weight_decay),
                .t = static_cast<double>(step + 1)};
    if (!bias) {
      const double w = norm_of(references[s]);
      terms.local = o.trust * w / (scale * norm_of(test.gradients(s)) + terms.decay * w);
    }
    for (size_t i = 0; i < segment.count; ++i) {
      Reference& x = references[s][i];
      const auto g = static_cast<double>(test.gradients(s)[i]);
      if (!segment.is_parameter()) {
        x.w += static_cast<double>(segment.average_rate) * (g - x.w);
        continue;
      }
      const double l2 = o.name == "adamw" ? 0 : terms.decay * x.w;
      const double l1 = multiplier * static_cast<double>(o.l1) * (x.w > 0 ? 1 : x.w < 0 ? -1 : 0);
      formulas.at(o.name)(o, terms, scale * g + l2 + l1, x);
    }
  }
}

std::vector<size_t> random_cuts(std::mt19937& random, size_t size) {
  std::vector<size_t> cuts;
  for (int i = 0; i < 6; ++i) cuts.push_back(random() % (size + 1));
  return cuts;
}

class OptimizerAgainstFloat64 : public testing::DeviceTest, public ::testing::WithParamInterface<OptimizerOptions> {};

TEST_P(OptimizerAgainstFloat64, OnSeveralSegmentsInRangesCutAnywhere) {
  const OptimizerOptions& options = GetParam();
  for (const std::string& name : optimizer_names()) {
    OptimizerOptions o = options;
    o.name = name;
    if (o.momentum != OptimizerOptions::unset && name != "rmsprop") continue;
    const float rate = name == "adadelta" ? 1.0f : name == "lars" ? 5.0f : 0.01f;
    const TestedOptimizer test(several_segments(), o);
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    References references(test.table.segments().size());
    for (size_t s = 0; s < references.size(); ++s) {
      for (float& w : test.weights(s)) references[s].push_back({.w = static_cast<double>(w = normal(random))});
    }
    for (int64_t step = 0; step < 12; ++step) {
      for (size_t s = 0; s < references.size(); ++s) {
        for (float& g : test.gradients(s)) g = normal(random);
      }
      reference_step(o, static_cast<double>(rate), step, test, references);
      test.take_step(rate, step, random_cuts(random, test.table.size()));
    }
    double largest = 0;
    for (size_t s = 0; s < references.size(); ++s) {
      for (size_t i = 0; i < references[s].size(); ++i) {
        const double expected = references[s][i].w;
        const double error = std::abs(static_cast<double>(test.weights(s)[i]) - expected);
        largest = std::max(largest, error / std::max(1.0, std::abs(expected)));
      }
    }
    // A dozen fp32 steps of at most a tenth each, on weights of about 1.
    EXPECT_LT(largest, 2e-6) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Options, OptimizerAgainstFloat64,
                         ::testing::Values(OptimizerOptions{}, OptimizerOptions{.weight_decay = 0.1f},
                                           OptimizerOptions{.weight_decay = 0.1f, .decay_bias = true},
                                           OptimizerOptions{.l1 = 0.2f}, OptimizerOptions{.clip_norm = 3},
                                           OptimizerOptions{.clip_norm = 1000, .weight_decay = 0.1f, .l1 = 0.1f},
                                           OptimizerOptions{.momentum = 0.9f, .clip_norm = 3, .weight_decay = 0.1f}));

}  // namespace
}  // namespace convoy
