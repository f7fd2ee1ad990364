#include "core/ops/conv.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/isa.hpp"
#include "core/ops/conv/pass.hpp"
#include "core/ops/onednn/primitive.hpp"
#include "core/ops/tuning.hpp"
#include "tests/core/ops/families.hpp"

namespace convoy {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ConvSpec, OutputFollowsTheFormula) {
  const ConvSpec spec{.input = {227, 224, 3},
                      .filters = 96,
                      .kernel = {11, 7},
                      .stride = {4, 2},
                      .dilation = {1, 2},
                      .padding = {0, 3, 1, 2}};
  // (227 + 0 + 1 - 11)/4 + 1 = 55.25 and (224 + 3 + 2 - 13)/2 + 1 = 109
  EXPECT_EQ(spec.output(), (Shape{55, 109, 96}));
  EXPECT_EQ(spec.weight(), (Shape{96, 11, 7, 3}));
  EXPECT_EQ((ConvSpec{.input = {4, 4, 6}, .filters = 8, .groups = 2}).weight(), (Shape{8, 1, 1, 3}));
}

TEST(Conv, RefusesASpecWithoutOutput) {
  const auto device = make_cpu_device();
  EXPECT_THROW(make_conv(*device, {.input = {3, 3, 1}, .kernel = {4, 4}}, {}), Error);
  EXPECT_THROW(make_conv(*device, {.input = {3, 3, 4}, .filters = 6, .groups = 4}, {}), Error);
}

TEST(Conv, NamesOptimisedImplementationsForLeNet) {
  const auto device = make_cpu_device();
  const OpOptions options{.batch = 32};
  const ConvSpec first{.input = {28, 28, 1}, .filters = 20, .kernel = {5, 5}, .input_gradient = false};
  const std::string names = make_conv(*device, first, options)->algorithms();
  EXPECT_THAT(names, AllOf(HasSubstr("forward "), HasSubstr("backward weights "), Not(HasSubstr("backward data"))));
  const ConvSpec second{.input = {12, 12, 20}, .filters = 50, .kernel = {5, 5}};
  for (const std::string& all : {names, make_conv(*device, second, options)->algorithms()}) {
    EXPECT_THAT(all, Not(HasSubstr(" ref")));
  }
}

/// oneDNN has only its reference code for the backward passes of this one: the padding is larger than the kernel and
/// makes the unrolled images too large for its matrix products.
ConvSpec only_reference_code() {
  return {
      .input = {3, 20, 99}, .filters = 6, .kernel = {7, 6}, .dilation = {1, 3}, .padding = {8, 8, 5, 7}, .groups = 3};
}

TEST(Conv, RefusesReferenceCodeWhereItWouldBeSlow) {
  const auto device = make_cpu_device();
  try {
    make_conv(*device, only_reference_code(), {});
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("convolution"), HasSubstr("reference code"), HasSubstr("padding")));
  }
}

TEST(Onednn, AllowsReferenceCodeForNextToNothing) {
  EXPECT_EQ(onednn::checked("conv", "ref:any", 1 << 20), "ref:any");
  EXPECT_THROW(onednn::checked("conv", "ref:any", (1 << 20) + 1), Error);
  EXPECT_EQ(onednn::checked("conv", "jit:avx2", int64_t{1} << 40), "jit:avx2");
}

TEST(Onednn, ReportsWhatItCannotMake) {
  const auto impossible = [] {
    return onednn::make_reorder(onednn::dense({2, 3}), onednn::dense({3, 2}), {}).scratch_bytes;
  };
  try {
    onednn::guarded("a copy", impossible);
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("a copy"), HasSubstr("oneDNN")));
  }
}

TEST(Conv, FusedReluKeepsNaN) {
  const auto device = make_cpu_device();
  const ConvSpec spec{.input = {4, 4, 16}, .filters = 32, .kernel = {3, 3}, .activation = Activation::relu};
  const auto conv = make_conv(*device, spec, {});
  const DeviceBuffer packed(*device, conv->packed_bytes(), "weights"),
      scratch(*device, conv->scratch_bytes(), "scratch");
  conv->attach(packed.data());
  conv->refresh_weights(std::vector<float>(static_cast<size_t>(spec.weight().count()), -1.0f).data());
  std::vector<float> x(4 * 4 * 16, 1.0f), bias(32), y(2 * 2 * 32);
  x[0] = NAN;  // in the window of the first output pixel only
  conv->forward({.scratch = scratch.data()}, x.data(), bias.data(), y.data());
  for (size_t k = 0; k < 32; ++k) {
    EXPECT_TRUE(std::isnan(y[k])) << k;
    EXPECT_EQ(y[32 + k], 0) << k;
  }
}

TEST(Conv, TakesOverChangedWeightsOnlyWhenTold) {
  const auto device = make_cpu_device();
  const auto conv = make_conv(*device, {.input = {1, 1, 1}, .bias = false}, {});
  const DeviceBuffer packed(*device, conv->packed_bytes(), "weights"),
      scratch(*device, conv->scratch_bytes() + 1, "scratch");
  conv->attach(packed.data());
  const float x = 3;
  float weight = 2, y = 0;
  conv->refresh_weights(&weight);
  weight = 5;
  conv->forward({.scratch = scratch.data()}, &x, nullptr, &y);
  EXPECT_EQ(y, 6);
  conv->refresh_weights(&weight);
  conv->forward({.scratch = scratch.data()}, &x, nullptr, &y);
  EXPECT_EQ(y, 15);
}

TEST(Conv, ChoosesByMeasurementOnceAndUsesWhatWasKept) {
  const auto device = make_cpu_device();
  const ConvSpec spec{.input = {8, 8, 16}, .filters = 20, .kernel = {5, 5}, .padding = {2, 2, 2, 2}};
  Tuning measuring;
  const std::string names = make_conv(*device, spec, {.batch = 4, .tuning = &measuring})->algorithms();
  EXPECT_EQ(measuring.entries().size(), 3);
  Tuning told;
  for (const auto& [key, measured] : measuring.entries()) {
    EXPECT_THAT(key, HasSubstr("conv 8x8x16 K=20 F=5x5 S=1x1 P=2,2,2,2 D=1x1 G=1 few images threads=1 fp32 "));
    EXPECT_TRUE(measured.seconds.contains(measured.choice)) << key;
    told.keep(key, measured.choice);
  }
  EXPECT_EQ(make_conv(*device, spec, {.batch = 4, .tuning = &told})->algorithms(), names);
  for (const auto& [key, measured] : told.entries()) EXPECT_TRUE(measured.seconds.empty()) << key;
}

TEST(Conv, ReservesScratchToAccumulateOnlyIfItMay) {
  const auto device = make_cpu_device();
  ConvSpec spec{.input = {8, 8, 64}, .filters = 64, .kernel = {3, 3}, .padding = {1, 1, 1, 1}};
  const OpOptions options{.batch = 16};
  const size_t may = make_conv(*device, spec, options)->scratch_bytes();
  spec.accumulates = false;
  EXPECT_LT(make_conv(*device, spec, options)->scratch_bytes(), may);
}

TEST(Conv, RefusesBf16WhereTheProcessorHasNone) {
  if (cpu_has_bf16()) GTEST_SKIP() << "it has";
  const auto device = make_cpu_device();
  try {
    make_conv(*device, {.input = {4, 4, 4}}, {.compute = DType::bf16});
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("bf16"), HasSubstr("precision=fp32")));
  }
}

/// Each factor is rounded to 8 bits, by 2^-9 of itself at most, and so is each product's part of an unrolled image
/// where oneDNN has nothing but a matrix product. Rounding in fp32 comes on top.
void expect_near_in_bf16(const std::vector<float>& actual, const testing::Sums& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double tolerance = expected[i].magnitude * (3.02 * 0x1p-9 + 0x1p-22 * std::sqrt(expected[i].terms));
    ASSERT_NEAR(static_cast<double>(actual[i]), expected[i].value, tolerance) << what << ", element " << i;
  }
}

class Bf16Conv : public ::testing::TestWithParam<testing::OpCase> {};

TEST_P(Bf16Conv, MatchesOracle) {
  if (!cpu_has_bf16()) GTEST_SKIP() << "no AVX512-BF16 here";
  const auto device = make_cpu_device();
  const auto op = testing::make_tested_op(GetParam());
  const testing::OpData data = op->data(1);
  const auto inputs = testing::as_doubles(data.inputs);
  const auto output = op->output(inputs, data);
  const auto gradients = op->gradients(inputs, data);
  op->prepare(*device, {.batch = GetParam().batch, .compute = DType::bf16});
  const auto result = op->run(0, data, Write::overwrite, std::vector<float>(data.inputs[0].size(), NAN));
  expect_near_in_bf16(result.y, output, "output");
  for (size_t g = 0; g < gradients.size(); ++g) {
    if (!gradients[g].empty()) expect_near_in_bf16(result.gradients[g], gradients[g], concat("gradient ", g));
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Bf16Conv, ::testing::ValuesIn(testing::conv_cases()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace convoy
