// The fully connected layer beyond the op cases: our own products on every instruction set here, and bf16.
#include "core/ops/fc.hpp"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/fc/product.hpp"
#include "tests/core/ops/draws.hpp"
#include "tests/core/ops/families.hpp"

namespace convoy::testing {
namespace {

using fc::Extents;
using fc::Factor;
using fc::Kernels;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

#if defined(__SANITIZE_THREAD__)
const std::vector<int> thread_counts{1};  // ThreadSanitizer does not understand OpenMP's barriers
#else
const std::vector<int> thread_counts{1, 2, 3};
#endif

/// To the nearest bf16, ties to even: the definition, by the neighbours' distance.
float to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), below = bits & 0xffff0000u, rest = bits & 0xffffu;
  const bool up = rest > 0x8000u || (rest == 0x8000u && (below & 0x10000u));
  return std::bit_cast<float>(up ? below + 0x10000u : below);
}

std::vector<float> rounded(std::vector<float> values, DType compute) {
  if (compute != DType::bf16) return values;
  for (float& v : values) v = to_bf16(v);
  return values;
}

/// As in ops_test.cpp: a random walk of fp32 roundings. Products of two bf16 are exact in fp32, so once the factors are
/// rounded it holds for bf16 too; unrounded ones would be off by up to 2^-8 of a term, 2^16 times as much.
double tolerance(const Sum& sum) {
  return 0x1p-24 * sum.magnitude * (3 + 4 * std::sqrt(sum.terms));
}

void expect_near(const std::vector<float>& actual, const Sums& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(actual[i]), expected[i].value, tolerance(expected[i])) << what << ", element " << i;
  }
}

/// Memory on a border of 256 bytes.
struct Aligned {
  explicit Aligned(size_t floats) : storage(floats + 64, NAN) {
    void* start = storage.data();
    size_t room = storage.size() * sizeof(float);
    data = static_cast<float*>(std::align(256, floats * sizeof(float), start, room));
  }
  std::vector<float> storage;
  float* data = nullptr;
};

/// Both factors with their depth contiguous or not, and the sums that should come out.
struct Product {
  Product(const Extents& extents, bool a_contiguous, bool b_contiguous, DType compute)
      : e(extents),
        a_data(uniform(1, 1, e.i * e.p)),
        b_data(uniform(1, 2, e.j * e.p)),
        bias(uniform(1, 3, e.j)),
        before(uniform(1, 4, e.i * e.j)),
        a{a_data.data(), a_contiguous ? e.p : e.i, a_contiguous},
        b{b_data.data(), b_contiguous ? e.p : e.j, b_contiguous} {
    const std::vector<float> left = rounded(a_data, compute), right = rounded(b_data, compute);
    for (int64_t i = 0; i < e.i; ++i) {
      for (int64_t j = 0; j < e.j; ++j) {
        Sum& sum = sums.emplace_back();
        for (int64_t p = 0; p < e.p; ++p) {
          sum.add(static_cast<double>(left[static_cast<size_t>(a.at(i, p) - a.data)]) *
                  static_cast<double>(right[static_cast<size_t>(b.at(j, p) - b.data)]));
        }
      }
    }
  }

  const Extents e;
  const std::vector<float> a_data, b_data, bias, before;
  const Factor a, b;
  Sums sums;
};

// Odd sizes, single rows and columns, tiles and blocks of depth that just fit and just do not.
const std::vector<Extents> extents_list{{1, 1, 1},     {1, 1, 2},       {3, 1, 7},     {1, 17, 3},
                                        {8, 48, 128},  {9, 49, 129},    {65, 97, 33},  {7, 500, 257},
                                        {13, 31, 600}, {66, 250, 1030}, {60, 100, 70}, {200, 700, 30}};

using Multiply = void (*)(const Kernels&, const Extents&, const Factor&, const Factor&, const fc::Output&, void*);

std::vector<float> multiply(Multiply function, size_t scratch_bytes, const Kernels& kernels, const Product& product,
                            int threads, bool bias, bool add) {
  const TeamThreads team(threads);
  const Aligned scratch(scratch_bytes / sizeof(float));
  std::vector<float> out = add ? product.before : std::vector<float>(product.before.size(), NAN);
  function(kernels, product.e, product.a, product.b,
           {.data = out.data(), .bias = bias ? product.bias.data() : nullptr, .add = add}, scratch.data);
  return out;
}

TEST(FcProduct, HasKernelsOfEachPrecisionThisProcessorKnows) {
  EXPECT_EQ(fc::best_kernels(DType::bf16) != nullptr, cpu_has_bf16());
  EXPECT_EQ(fc::best_kernels(DType::f16), nullptr);
}

TEST(FcProduct, ByLinesAndByColumnsMatchSumsInDouble) {
  for (const Kernels* kernels : fc::available_kernels()) {
    for (const Extents& e : extents_list) {
      for (const bool contiguous : {true, false}) {
        const Product product(e, true, contiguous, kernels->compute);
        Sums with_bias = product.sums, added = product.sums;
        for (size_t i = 0; i < added.size(); ++i) {
          with_bias[i].add(static_cast<double>(product.bias[i % product.bias.size()]));
          added[i].add(static_cast<double>(product.before[i]));
        }
        const size_t scratch =
            contiguous ? fc::by_lines_scratch(*kernels, e, 3) : fc::by_columns_scratch(*kernels, e, 3);
        const auto run = [&](int threads, bool bias, bool add) {
          return multiply(contiguous ? fc::multiply_by_lines : fc::multiply_by_columns, scratch, *kernels, product,
                          threads, bias, add);
        };
        SCOPED_TRACE(concat(kernels->name, " ", e.i, "x", e.j, "x", e.p, contiguous ? " transposed" : ""));
        if (contiguous) expect_near(run(1, true, false), with_bias, "bias");
        expect_near(run(1, false, false), product.sums, "product");
        expect_near(run(1, false, true), added, "sum");
        for (const int threads : thread_counts) {
          EXPECT_EQ(run(threads, contiguous, false), run(1, contiguous, false)) << threads << " threads";
        }
      }
    }
  }
}

TEST(FcProduct, LargeResultMatchesSumsInDouble) {
  for (const Kernels* kernels : fc::available_kernels()) {
    for (const Extents& e : extents_list) {
      const Product product(e, false, false, kernels->compute);
      const size_t scratch = fc::large_result_scratch(*kernels, e);
      const auto run = [&](int threads) {
        return multiply(fc::multiply_large_result, scratch, *kernels, product, threads, false, false);
      };
      SCOPED_TRACE(concat(kernels->name, " ", e.i, "x", e.j, "x", e.p));
      expect_near(run(1), product.sums, "product");
      for (const int threads : thread_counts) EXPECT_EQ(run(threads), run(1)) << threads << " threads";
    }
  }
}

/// Aligned and past 2^22 elements, results are stored past the caches.
TEST(FcProduct, StreamedResultIsTheSame) {
  const Extents e{2051, 2064, 2};
  for (const Kernels* kernels : fc::available_kernels()) {
    const Product product(e, false, false, kernels->compute);
    const Aligned scratch(fc::large_result_scratch(*kernels, e) / sizeof(float));
    Aligned out(product.sums.size());
    for (const int threads : thread_counts) {
      const TeamThreads team(threads);
      fc::multiply_large_result(*kernels, e, product.a, product.b, {.data = out.data}, scratch.data);
      expect_near({out.data, out.data + product.sums.size()}, product.sums, concat(kernels->name, ", streamed"));
    }
    EXPECT_TRUE(std::isnan(out.data[product.sums.size()])) << "nothing behind the end";
  }
}

/// What the op should give in bf16: the products of rounded factors, but the bias and its gradient untouched.
struct Bf16Expected {
  explicit Bf16Expected(const TestedOp& op, const OpData& data) {
    OpData near = data;
    for (size_t i = 0; i < 2; ++i) near.inputs[i] = rounded(data.inputs[i], DType::bf16);
    near.dy = rounded(data.dy, DType::bf16);
    output = op.output(as_doubles(near.inputs), near);
    gradients = op.gradients(as_doubles(near.inputs), near);
    if (gradients.size() > 2) gradients[2] = op.gradients(as_doubles(data.inputs), data)[2];
  }
  Sums output;
  std::vector<Sums> gradients;
};

TEST(FcBf16, MatchesOracleOfRoundedFactorsAndRepeats) {
  if (!cpu_has_bf16()) GTEST_SKIP() << "this processor has no AVX512-BF16";
  const auto device = make_cpu_device();
  for (const OpCase& op_case : fc_cases()) {
    const auto op = make_tested(std::get<FcSpec>(op_case.spec), op_case.batch);
    const OpData data = op->data(1);
    Bf16Expected expected(*op, data);
    const std::vector<float> before = uniform(9, 9, static_cast<int64_t>(data.inputs[0].size()));
    Sums& added = expected.gradients[0];
    for (size_t i = 0; i < added.size(); ++i) added[i].add(static_cast<double>(before[i]));
    OpResult first;
    for (const int threads : thread_counts) {
      SCOPED_TRACE(concat(op_case.name, ", ", threads, " threads"));
      op->prepare(*device, {.batch = op_case.batch, .threads = threads, .compute = DType::bf16});
      const OpResult result = op->run(0, data, Write::accumulate, before);
      expect_near(result.y, expected.output, "output");
      for (size_t g = 0; g < expected.gradients.size(); ++g) {
        if (!expected.gradients[g].empty()) expect_near(result.gradients[g], expected.gradients[g], concat("g ", g));
      }
      if (first.y.empty()) first = result;
      EXPECT_EQ(result.y, first.y);
      EXPECT_EQ(result.gradients, first.gradients);
    }
  }
}

TEST(Fc, RefusesAPrecisionTheProcessorLacks) {
  const auto device = make_cpu_device();
  try {
    make_fc(*device, {.inputs = 4, .outputs = 3}, {.compute = DType::f16});
    FAIL() << "made";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), HasSubstr("fully connected layer: this processor cannot multiply fp16"));
  }
}

TEST(Fc, LargeLayersTakeOurOwnProducts) {
  if (!fc::best_kernels(DType::f32)) GTEST_SKIP() << "this processor has neither AVX2 nor AVX-512";
  const auto device = make_cpu_device();
  const auto algorithms = [&](int64_t inputs) {
    return make_fc(*device, {.inputs = inputs, .outputs = 1024}, {.batch = 2})->algorithms();
  };
  EXPECT_THAT(algorithms(1024), StartsWith("own "));
  EXPECT_THAT(algorithms(1023), AllOf(StartsWith("forward own "), HasSubstr("oneDNN")));
}

TEST(Fc, AnswersTheSameInBatchesOfAnySize) {
  if (!fc::best_kernels(DType::f32)) GTEST_SKIP() << "this processor has neither AVX2 nor AVX-512";
  constexpr int64_t inputs = 150, outputs = 37, images = 100;
  const std::vector<float> x = uniform(1, 0, images * inputs), weights = uniform(1, 1, outputs * inputs);
  const std::vector<float> bias = uniform(1, 2, outputs);
  const auto device = make_cpu_device();
  const auto answers = [&](int64_t batch, int threads) {
    const auto op = make_fc(*device, {.inputs = inputs, .outputs = outputs}, {.batch = batch, .threads = threads});
    op->refresh_weights(weights.data());
    const DeviceBuffer scratch(*device, op->scratch_bytes() + 1, "scratch");
    std::vector<float> y(images * outputs);
    for (int64_t n = 0; n + batch <= images; n += batch) {
      op->forward({.scratch = scratch.data()}, x.data() + n * inputs, bias.data(), y.data() + n * outputs);
    }
    return y;
  };
  const std::vector<float> one_by_one = answers(1, 1);
  for (const int64_t batch : {2, 4, 20, 25, 50, 100}) {
    EXPECT_EQ(answers(batch, 1), one_by_one) << batch;
    EXPECT_EQ(answers(batch, 2), one_by_one) << batch << ", two threads";
  }
}

}  // namespace
}  // namespace convoy::testing
