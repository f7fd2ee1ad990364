// Matrix products and column sums against sums in double, by all implementations there are here. The factors are small
// whole numbers, which even bf16 holds and whose sums fp32 holds: results are exact, and nothing missing goes unseen.
#include <gtest/gtest.h>

#include "core/base/error.hpp"
#include "core/ops/gemm/column_sums.hpp"
#include "core/ops/gemm/cublaslt.hpp"
#include "core/ops/gemm/gemm.hpp"
#include "core/ops/gemm/native.hpp"
#include "tests/core/ops/draws.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy::testing {
namespace {

std::vector<float> whole_numbers(uint64_t stream, int64_t count) {
  std::vector<float> out = uniform(9, stream, count);
  for (float& value : out) value = std::floor(value * 8);
  return out;
}

/// One operand, as it lies.
struct Operand {
  int64_t rows, columns, leading, batch, stride;

  size_t at(int64_t index, int64_t row, int64_t column) const {
    return static_cast<size_t>(index * stride + row * leading + column);
  }
  int64_t count() const { return static_cast<int64_t>(at(batch - 1, rows - 1, columns - 1)) + 1; }

  /// NaN in the gaps, so that reading them shows.
  std::vector<float> numbers(uint64_t stream) const {
    const std::vector<float> drawn = whole_numbers(stream, count());
    std::vector<float> out(drawn.size(), NAN);
    for (int64_t index = 0; index < batch; ++index) {
      for (int64_t row = 0; row < rows; ++row) {
        for (int64_t column = 0; column < columns; ++column)
          out[at(index, row, column)] = drawn[at(index, row, column)];
      }
    }
    return out;
  }
};

struct GemmCase {
  std::string name;
  GemmSpec spec;
};

void PrintTo(const GemmCase& gemm_case, std::ostream* out) {
  *out << gemm_case.name;
}

class GemmTest : public ::testing::TestWithParam<GemmCase> {
 protected:
  explicit GemmTest(const GemmSpec& given = GetParam().spec) : spec_(with_leading_dimensions(given)) {}

  void SetUp() override {
    if (const std::string reason = tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
    device_ = make_tested_device();
  }

  /// `shift`: elements by which the operands begin after a border of 256 bytes.
  void expect_right(const Gemm& gemm, Write write, int64_t shift = 0) const {
    SCOPED_TRACE(concat(gemm.name(), write == Write::accumulate ? ", added" : "", ", shifted by ", shift));
    const std::vector<float> a = a_.numbers(1), b = b_.numbers(2), c = c_.numbers(3);
    const std::vector<float> bias = whole_numbers(4, (spec_.batch - 1) * spec_.stride_bias + spec_.n);
    const OnDevice device_a(*device_, shifted(a, shift)), device_b(*device_, shifted(b, shift));
    const OnDevice device_c(*device_, shifted(c, shift)), device_bias(*device_, shifted(bias, shift));
    const OnDevice workspace(*device_, std::vector<float>(gemm.workspace_bytes() / sizeof(float) + 1, NAN));
    gemm.run(workspace.data(), device_a.data() + shift, device_b.data() + shift,
             spec_.bias ? device_bias.data() + shift : nullptr, device_c.data() + shift, write);
    std::vector<float> expected = c;
    for (int64_t index = 0; index < spec_.batch; ++index) {
      for (int64_t i = 0; i < spec_.m; ++i) {
        for (int64_t j = 0; j < spec_.n; ++j) {
          double sum = 0;
          for (int64_t k = 0; k < spec_.k; ++k) {
            sum += static_cast<double>(a[spec_.transpose_a ? a_.at(index, k, i) : a_.at(index, i, k)]) *
                   static_cast<double>(b[spec_.transpose_b ? b_.at(index, j, k) : b_.at(index, k, j)]);
          }
          float& into = expected[c_.at(index, i, j)];
          if (spec_.bias) sum += static_cast<double>(bias[static_cast<size_t>(index * spec_.stride_bias + j)]);
          if (write == Write::accumulate) sum += static_cast<double>(into);
          into = static_cast<float>(spec_.relu ? std::max(sum, 0.0) : sum);
        }
      }
    }
    const std::vector<float> actual = device_c.values();
    for (size_t i = 0; i < expected.size(); ++i) {
      const float value = actual[i + static_cast<size_t>(shift)];
      ASSERT_TRUE(value == expected[i] || (std::isnan(value) && std::isnan(expected[i])))
          << "element " << i << " of " << expected.size() << " is " << value << ", not " << expected[i];
    }
  }
  void expect_right(const Gemm& gemm) const {
    expect_right(gemm, Write::overwrite);
    expect_right(gemm, Write::accumulate);
  }

  static std::vector<float> shifted(std::vector<float> values, int64_t by) {
    values.insert(values.begin(), static_cast<size_t>(by), NAN);
    return values;
  }

  const GemmSpec spec_;
  const Operand a_{spec_.transpose_a ? spec_.k : spec_.m, spec_.transpose_a ? spec_.m : spec_.k, spec_.lda, spec_.batch,
                   spec_.stride_a};
  const Operand b_{spec_.transpose_b ? spec_.n : spec_.k, spec_.transpose_b ? spec_.k : spec_.n, spec_.ldb, spec_.batch,
                   spec_.stride_b};
  const Operand c_{spec_.m, spec_.n, spec_.ldc, spec_.batch, spec_.stride_c};
  std::unique_ptr<Device> device_;
};

TEST_P(GemmTest, NativeInTilesOf64) {
  expect_right(*gemm::make_native(*device_, spec_, {.tile = 64}));
}

TEST_P(GemmTest, NativeInTilesOf128) {
  expect_right(*gemm::make_native(*device_, spec_, {.tile = 128}));
}

TEST_P(GemmTest, NativeInSlices) {
  expect_right(*gemm::make_native(*device_, spec_, {.tile = 64, .slices = 3}));
}

TEST_P(GemmTest, WhatIsChosenHere) {
  for (const GemmCompute compute : {GemmCompute::f32, GemmCompute::tf32, GemmCompute::bf16}) {
    GemmSpec spec = spec_;
    spec.compute = compute;
    expect_right(*make_gemm(*device_, spec));
  }
}

TEST_P(GemmTest, OperandsOffTheBorders) {
  GemmSpec spec = spec_;
  spec.alignment = 4;
  for (const int64_t shift : {1, 2}) {
    expect_right(*gemm::make_native(*device_, spec, {}), Write::overwrite, shift);
    expect_right(*make_gemm(*device_, spec), Write::overwrite, shift);
  }
}

/// Every case with its operands transposed in all ways.
std::vector<GemmCase> gemm_cases() {
  const std::vector<GemmCase> plain = {
      {"one", {}},
      {"row", {.m = 1, .n = 70, .k = 33, .bias = true}},
      {"column", {.m = 131, .n = 1, .k = 20}},
      {"whole_tiles", {.m = 128, .n = 256, .k = 64}},
      {"fours", {.m = 68, .n = 132, .k = 36, .bias = true}},
      {"odd", {.m = 67, .n = 131, .k = 35, .bias = true, .relu = true}},
      {"relu", {.m = 9, .n = 12, .k = 50, .relu = true}},
      {"deep", {.m = 5, .n = 6, .k = 1000, .bias = true, .relu = true}},
      {"gaps", {.m = 30, .n = 28, .k = 44, .lda = 72, .ldb = 76, .ldc = 32}},
      {"odd_gaps", {.m = 30, .n = 28, .k = 44, .lda = 47, .ldb = 49, .ldc = 31, .bias = true}},
      {"batch",
       {.m = 40,
        .n = 20,
        .k = 24,
        .lda = 44,
        .ldb = 28,
        .ldc = 20,
        .batch = 3,
        .stride_a = 1800,
        .stride_b = 700,
        .stride_c = 804,
        .stride_bias = 20,
        .bias = true}},
      {"batch_off_the_borders",
       {.m = 8,
        .n = 12,
        .k = 16,
        .lda = 16,
        .ldb = 16,
        .ldc = 12,
        .batch = 2,
        .stride_a = 257,
        .stride_b = 259,
        .stride_c = 99}},
      {"batch_odd",
       {.m = 10,
        .n = 7,
        .k = 33,
        .lda = 35,
        .ldb = 34,
        .ldc = 9,
        .batch = 4,
        .stride_a = 1155,
        .stride_b = 1123,
        .stride_c = 91,
        .stride_bias = 7,
        .bias = true,
        .relu = true}},
      // As the groups of a convolution lie: side by side within a row.
      {"groups",
       {.m = 21,
        .n = 8,
        .k = 12,
        .lda = 36,
        .ldb = 36,
        .ldc = 24,
        .batch = 3,
        .stride_a = 12,
        .stride_b = 12,
        .stride_c = 8,
        .stride_bias = 8,
        .bias = true}},
  };
  std::vector<GemmCase> out;
  for (const GemmCase& one : plain) {
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        GemmCase added = one;
        added.name += concat(transpose_a ? "_t" : "_n", transpose_b ? "t" : "n");
        added.spec.transpose_a = transpose_a, added.spec.transpose_b = transpose_b;
        out.push_back(added);
      }
    }
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Cases, GemmTest, ::testing::ValuesIn(gemm_cases()),
                         [](const auto& instance) { return instance.param.name; });

TEST(Cublaslt, HasAllProducts) {
  if (const std::string reason = tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
  const auto device = make_tested_device();
  if (!gemm::make_cublaslt(*device, {})) GTEST_SKIP() << "cuBLASLt is not here";
  for (const GemmCase& gemm_case : gemm_cases()) {
    EXPECT_TRUE(gemm::make_cublaslt(*device, gemm_case.spec)) << gemm_case.name;
  }
}

TEST(GemmPlan, FillsTheMachine) {
  constexpr int64_t multiprocessors = 132;
  const auto plan = [](const GemmSpec& spec) { return gemm::plan_for(spec, multiprocessors); };
  const gemm::Plan large = plan({.m = 4096, .n = 4096, .k = 4096});
  EXPECT_EQ(large.tile, 128);
  EXPECT_EQ(large.slices, 1);
  const gemm::Plan narrow = plan({.m = 1 << 20, .n = 64, .k = 576});
  EXPECT_EQ(narrow.tile, 64) << "half of each tile of 128 would be empty";
  EXPECT_EQ(narrow.slices, 1);
  const gemm::Plan weights = plan({.m = 64, .n = 576, .k = 1 << 20});
  EXPECT_EQ(weights.tile, 64);
  EXPECT_EQ(weights.slices, 2 * multiprocessors / 9);
  EXPECT_EQ(plan({.m = 64, .n = 64, .k = 200}).slices, 1) << "not worth it";
  const gemm::Plan limited = plan({.m = 1024, .n = 4096, .k = 1 << 20, .batch = 1});
  EXPECT_LE(static_cast<size_t>(limited.slices) * 1024 * 4096 * sizeof(float), gemm_workspace_limit);
}

TEST(ColumnSums, AreThoseOfAllRows) {
  if (const std::string reason = tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
  const auto device = make_tested_device();
  struct Size {
    int64_t rows, columns;
  };
  for (const auto& [rows, columns] : {Size{1, 1}, Size{3, 33}, Size{64, 32}, Size{200, 70}, Size{4099, 5}}) {
    SCOPED_TRACE(concat(rows, " x ", columns));
    const std::vector<float> from = whole_numbers(5, rows * columns);
    std::vector<float> expected(static_cast<size_t>(columns));
    for (size_t i = 0; i < from.size(); ++i) expected[i % expected.size()] += from[i];
    const gemm::ColumnSums sums(*device, rows, columns);
    const OnDevice matrix(*device, from), out(*device, std::vector<float>(expected.size(), NAN));
    const OnDevice workspace(*device, std::vector<float>(sums.workspace_bytes() / sizeof(float) + 1, NAN));
    sums.run(workspace.data(), matrix.data(), out.data());
    EXPECT_EQ(out.values(), expected);
  }
}

}  // namespace
}  // namespace convoy::testing
