// Each algorithm of convolution, forced by a Tuning, against the oracle; the two sets of kernels against each other.
#include "core/ops/conv/winograd/winograd.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "core/base/error.hpp"
#include "core/base/isa.hpp"
#include "core/ops/conv/kernels.hpp"
#include "core/ops/conv/rows.hpp"
#include "core/ops/conv/winograd/points.hpp"
#include "core/ops/tuning.hpp"
#include "tests/core/ops/draws.hpp"
#include "tests/core/ops/families.hpp"

namespace convoy::testing {
namespace {

using winograd::Filtering;

#if defined(__SANITIZE_THREAD__)
const std::vector<int> thread_counts{1};  // ThreadSanitizer does not understand OpenMP's barriers
#else
const std::vector<int> thread_counts{1, 2, 5};
#endif

constexpr Padding same(int64_t p) {
  return {p, p, p, p};
}

/// Sizes that don't fill tiles, vectors or panels; one pixel; padding beyond what a kernel needs; groups.
std::vector<OpCase> awkward_cases() {
  const auto relu = Activation::relu;
  const auto conv = [](std::string name, int64_t batch, ConvSpec spec) { return OpCase{name, batch, spec}; };
  return {
      conv("one_pixel", 1, {.input = {1, 1, 1}, .kernel = {3, 3}, .padding = same(1)}),
      conv("one_pixel_5x5", 3, {.input = {1, 1, 2}, .filters = 3, .kernel = {5, 5}, .padding = same(2)}),
      conv("one_output", 2, {.input = {5, 5, 4}, .filters = 2, .kernel = {5, 5}, .activation = relu}),
      conv("odd", 3, {.input = {13, 7, 17}, .filters = 33, .kernel = {3, 3}, .padding = same(1), .activation = relu}),
      conv("odd_5x5", 2, {.input = {9, 14, 33}, .filters = 19, .kernel = {5, 5}, .padding = same(2), .bias = false}),
      conv("wide", 1, {.input = {6, 5, 70}, .filters = 67, .kernel = {3, 3}, .padding = same(1)}),
      conv("wide_5x5", 1, {.input = {6, 5, 70}, .filters = 9, .kernel = {5, 5}, .padding = {2, 1, 0, 2}}),
      conv("four_paddings", 2, {.input = {5, 7, 3}, .filters = 5, .kernel = {3, 3}, .padding = {1, 0, 2, 1}}),
      conv("beyond_kernel", 1, {.input = {2, 2, 3}, .filters = 4, .kernel = {3, 3}, .padding = {4, 3, 5, 4}}),
      conv("beyond_kernel_5x5", 1, {.input = {3, 2, 8}, .filters = 4, .kernel = {5, 5}, .padding = {6, 1, 0, 9}}),
      conv("groups", 2, {.input = {9, 8, 10}, .filters = 6, .kernel = {3, 3}, .padding = same(1), .groups = 2}),
      conv("groups_5x5", 2,
           {.input = {8, 9, 51}, .filters = 54, .kernel = {5, 5}, .padding = same(2), .groups = 3, .activation = relu}),
      conv("depthwise", 2, {.input = {6, 6, 5}, .filters = 5, .kernel = {3, 3}, .groups = 5}),
      conv("many_tiles", 7, {.input = {28, 27, 2}, .filters = 3, .kernel = {3, 3}, .padding = same(1)}),
      conv("many_rows", 2, {.input = {40, 33, 3}, .filters = 35, .kernel = {7, 3}, .stride = {2, 1}}),
      conv("dilated_rows", 2, {.input = {11, 9, 6}, .filters = 7, .kernel = {3, 2}, .dilation = {3, 1}}),
  };
}

std::vector<OpCase> every_case() {
  std::vector<OpCase> all = conv_cases();
  for (const OpCase& op_case : awkward_cases()) all.push_back(op_case);
  return all;
}

/// One element of Winograd's result is a sum over points of products of an input's and a weight's transform. Errors of
/// rounding in the transforms and in the products are carried through the matrices A, G and B; taken as independent,
/// they add up in squares. A direct convolution is the same with ones in place of the matrices, r x r (or, for the
/// weights' gradient, m x m) of them. What the matrices make of the error is the quotient.
template <int Outputs, int Taps>
struct Growth {
  using F = Filtering<Outputs, Taps>;

  template <typename Matrix>
  static double row_square(int i) {
    double sum = 0;
    for (int j = 0; j < Matrix::columns; ++j) sum += Matrix::at(i, j) * Matrix::at(i, j);
    return sum;
  }
  /// Result (rows of `Result`, which leads from the points to it) from the transforms by One and Other.
  template <typename Result, typename One, typename Other>
  static double of(double terms) {
    double most = 0;
    for (int i = 0; i < Result::rows; ++i) {
      double sum = 0;
      for (int p = 0; p < F::inputs; ++p) {
        sum += Result::at(i, p) * Result::at(i, p) * row_square<One>(p) * row_square<Other>(p);
      }
      most = std::max(most, sum);
    }
    return most / terms;  // in one direction squared: in both directions the square root of the square
  }
  static double images() {
    return of<typename F::OutputMatrix, typename F::FilterMatrix, typename F::InputMatrix>(Taps);
  }
  static double weights() {
    return of<winograd::Transposed<typename F::FilterMatrix>, winograd::Transposed<typename F::OutputMatrix>,
              typename F::InputMatrix>(Outputs);
  }
};

struct Forced {
  std::string name;
  double image_growth = 1, weight_growth = 1;
};

template <int Outputs, int Taps>
Forced winograd_of() {
  return {concat("winograd ", Outputs, "x", Outputs), Growth<Outputs, Taps>::images(),
          Growth<Outputs, Taps>::weights()};
}

/// Which there are for a spec, apart from oneDNN's, which are the default and tested in ops_test.cpp.
std::vector<Forced> algorithms_for(const ConvSpec& spec) {
  std::vector<Forced> out;
  const bool plain = spec.stride == Extent2{} && spec.dilation == Extent2{};
  if (plain && spec.kernel == Extent2{3, 3}) out = {winograd_of<4, 3>(), winograd_of<5, 3>(), winograd_of<6, 3>()};
  if (plain && spec.kernel == Extent2{5, 5}) out = {winograd_of<3, 5>(), winograd_of<4, 5>()};
  if (rows::applies(spec)) out.push_back({.name = "rows"});
  return out;
}

Tuning forcing(const ConvSpec& spec, const OpOptions& options, const std::string& name) {
  Tuning tuning;
  for (const char* pass : {"forward", "backward data", "backward weights"}) {
    const bool none = name == "rows" && std::string_view(pass) == "backward data" && !rows::applies_backward_data(spec);
    tuning.keep(conv_tuning_key(spec, options, pass), none ? "direct" : name);
  }
  return tuning;
}

/// Rounding errors behave as a random walk over the terms (see ops_test.cpp). With Winograd's algorithm, errors of all
/// terms of a tile reach all of its elements: the largest sum of the whole result counts.
void expect_near(const std::vector<float>& actual, const Sums& expected, double growth, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double magnitude = 0, terms = 0;
  for (const Sum& sum : expected) {
    magnitude = std::max(magnitude, sum.magnitude);
    terms = std::max(terms, sum.terms);
  }
  const double tolerance = 0x1p-24 * growth * magnitude * (3 + 4 * std::sqrt(terms));
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(actual[i]), expected[i].value, tolerance) << what << ", element " << i;
  }
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

class ConvAlgorithms : public ::testing::TestWithParam<OpCase> {
 protected:
  const std::unique_ptr<Device> device_ = make_cpu_device();
  const ConvSpec spec_ = std::get<ConvSpec>(GetParam().spec);
  const std::unique_ptr<TestedOp> op_ = make_tested_op(GetParam());
};

TEST_P(ConvAlgorithms, MatchOracle) {
  if (!conv_kernels()) GTEST_SKIP() << "no kernels for this processor";
  const OpData data = op_->data(1);
  const auto inputs = as_doubles(data.inputs);
  const Sums output = op_->output(inputs, data);
  std::vector<Sums> gradients = op_->gradients(inputs, data);
  const std::vector<float> before =
      spec_.input_gradient ? uniform(2, 0, static_cast<int64_t>(inputs[0].size())) : std::vector<float>();
  std::vector<Sums> added = gradients;
  for (size_t i = 0; i < before.size(); ++i) added[0][i].add(static_cast<double>(before[i]));

  for (const Forced& forced : algorithms_for(spec_)) {
    for (const int threads : thread_counts) {
      SCOPED_TRACE(concat(forced.name, ", ", threads, " threads"));
      OpOptions options{.batch = GetParam().batch, .threads = threads};
      Tuning tuning = forcing(spec_, options, forced.name);
      options.tuning = &tuning;
      ASSERT_THAT(make_conv(*device_, spec_, options)->algorithms(), ::testing::HasSubstr("forward " + forced.name));
      op_->prepare(*device_, options);
      const OpResult result = op_->run(0, data, Write::overwrite, std::vector<float>(inputs[0].size(), NAN));
      expect_near(result.y, output, forced.image_growth, "output");
      if (spec_.input_gradient) expect_near(result.gradients[0], gradients[0], forced.image_growth, "input's gradient");
      expect_near(result.gradients[1], gradients[1], forced.weight_growth, "weights' gradient");
      if (spec_.bias) expect_near(result.gradients[2], gradients[2], 1, "bias's gradient");

      const OpResult again = op_->run(0, data, Write::accumulate, before);
      EXPECT_TRUE(same_bits(again.y, result.y));
      EXPECT_TRUE(same_bits(again.gradients[1], result.gradients[1]));
      if (spec_.input_gradient) expect_near(again.gradients[0], added[0], forced.image_growth, "gradient added");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, ConvAlgorithms, ::testing::ValuesIn(every_case()),
                         [](const auto& instance) { return instance.param.name; });

/// All that one set of kernels computes for a spec, by Winograd's algorithm or by rows.
std::vector<std::vector<float>> results(const ConvSpec& spec, const ConvKernels& kernels, size_t algorithm) {
  const auto device = make_cpu_device();
  const OpOptions options{.batch = 2};
  const std::vector<const WinogradKernels*> tiles = winograd::applicable(spec, kernels);
  const bool by_rows = algorithm == tiles.size();
  const auto forward = by_rows ? rows::make_forward(spec, options, kernels)
                               : winograd::make_forward(spec, options, kernels, *tiles[algorithm]);
  const auto backward = by_rows ? rows::make_backward_data(spec, options, kernels)
                                : winograd::make_backward_data(spec, options, kernels, *tiles[algorithm]);
  const auto weights = by_rows ? rows::make_backward_weights(spec, options, kernels)
                               : winograd::make_backward_weights(spec, options, kernels, *tiles[algorithm]);
  const auto x = uniform(1, 0, 2 * spec.input.count()), w = uniform(1, 1, spec.weight().count());
  const auto bias = uniform(1, 2, spec.filters), dy = uniform(1, 3, 2 * spec.output().count());
  std::vector<std::vector<float>> out{sized(dy.size()), sized(x.size()), sized(w.size()), sized(bias.size())};
  const auto prepared = [&](ConvPass& pass) {
    struct Memory {
      DeviceBuffer packed, scratch;
    } memory{{*device, pass.packed_bytes() + 1, "weights"}, {*device, pass.scratch_bytes() + 1, "scratch"}};
    pass.attach(memory.packed.data());
    pass.refresh_weights(w.data());
    return memory;
  };
  const auto forward_memory = prepared(*forward), backward_memory = prepared(*backward),
             weight_memory = prepared(*weights);
  forward->run({.scratch = forward_memory.scratch.data()}, x.data(), bias.data(), out[0].data());
  backward->run({.scratch = backward_memory.scratch.data()}, dy.data(), out[1].data(), Write::overwrite);
  weights->run({.scratch = weight_memory.scratch.data()}, x.data(), dy.data(), out[2].data(), out[3].data());
  return out;
}

TEST(ConvKernels, GiveTheSameBitsWithEitherInstructionSet) {
  if (!cpu_has_avx512()) GTEST_SKIP() << "no AVX-512 here";
  for (const int64_t taps : {3, 5}) {
    const ConvSpec spec{.input = {11, 9, 19},
                        .filters = 37,
                        .kernel = {taps, taps},
                        .padding = same(taps / 2),
                        .activation = Activation::relu};
    const size_t tiles = winograd::applicable(spec, *avx512_conv_kernels()).size();
    ASSERT_GE(tiles, 2);
    for (size_t algorithm = 0; algorithm <= tiles; ++algorithm) {
      const auto wide = results(spec, *avx512_conv_kernels(), algorithm);
      const auto narrow = results(spec, *avx2_conv_kernels(), algorithm);
      for (size_t i = 0; i < wide.size(); ++i) {
        EXPECT_TRUE(same_bits(wide[i], narrow[i]))
            << "kernel " << taps << ", algorithm " << algorithm << ", result " << i;
      }
    }
  }
}

TEST(Winograd, TakesTheTileThatNeedsTheFewestProducts) {
  if (!conv_kernels()) GTEST_SKIP() << "no kernels for this processor";
  const auto best = [](int64_t size, int64_t taps) {
    const ConvSpec spec{.input = {size, size, 8}, .filters = 8, .kernel = {taps, taps}, .padding = same(taps / 2)};
    return winograd::name_of(*winograd::applicable(spec, *conv_kernels())[0]);
  };
  EXPECT_EQ(best(13, 3), "winograd 5x5");  // 9 tiles of 49, where 4x4 takes 16 of 36 and 6x6 9 of 64
  EXPECT_EQ(best(4, 3), "winograd 4x4");
  EXPECT_EQ(best(224, 3), "winograd 6x6");  // large: 64 / 36 a pixel, the least
  EXPECT_EQ(best(27, 5), "winograd 4x4");   // 49 tiles of 64, where 3x3 takes 81 of 49
  EXPECT_EQ(best(3, 5), "winograd 3x3");
  EXPECT_TRUE(winograd::applicable({.input = {9, 9, 8}, .kernel = {3, 3}, .stride = {2, 2}}, *conv_kernels()).empty());
  EXPECT_TRUE(winograd::applicable({.input = {9, 9, 8}, .kernel = {3, 5}}, *conv_kernels()).empty());
}

}  // namespace
}  // namespace convoy::testing
