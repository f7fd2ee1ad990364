#include "core/ops/conv.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "core/base/error.hpp"
#include "core/ops/onednn/primitive.hpp"

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

}  // namespace
}  // namespace convoy
