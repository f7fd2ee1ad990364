// What only convolution on CUDA does: images in turns, where their columns would take too much memory. The numbers are
// small and whole, so all sums are exact, in whatever order.
#include <gtest/gtest.h>

#include "core/base/error.hpp"
#include "core/ops/conv/products.hpp"
#include "tests/core/ops/draws.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy::testing {
namespace {

std::vector<float> whole_numbers(uint64_t stream, int64_t count) {
  std::vector<float> out = uniform(11, stream, count);
  for (float& value : out) value = std::floor(value * 4);
  return out;
}

struct Results {
  std::vector<float> y, dx, added, dweight, dbias;
  size_t scratch_bytes = 0;
};

Results run(Device& device, const ConvSpec& spec, int64_t batch, size_t columns_limit) {
  const auto op = make_conv_products(device, spec, {.batch = batch}, columns_limit);
  const int64_t inputs = batch * spec.input.count(), outputs = batch * spec.output().count();
  const OnDevice x(device, whole_numbers(1, inputs)), weight(device, whole_numbers(2, spec.weight().count()));
  const OnDevice bias(device, whole_numbers(3, spec.filters)), dy(device, whole_numbers(4, outputs));
  const auto empty = [&](int64_t count) {
    return OnDevice(device, std::vector<float>(static_cast<size_t>(count), NAN));
  };
  const auto y = empty(outputs), dx = empty(inputs), dweight = empty(spec.weight().count()),
             dbias = empty(spec.filters);
  const OnDevice added(device, whole_numbers(5, inputs));
  const auto scratch = empty(static_cast<int64_t>(op->scratch_bytes() / sizeof(float)));
  const OpContext context{.scratch = scratch.data()};
  op->refresh_weights(weight.data());
  op->forward(context, x.data(), bias.data(), y.data());
  op->backward_data(context, dy.data(), dx.data(), Write::overwrite);
  op->backward_data(context, dy.data(), added.data(), Write::accumulate);
  op->backward_weights(context, x.data(), dy.data(), dweight.data(), dbias.data());
  return {y.values(), dx.values(), added.values(), dweight.values(), dbias.values(), op->scratch_bytes()};
}

TEST(ConvProducts, ImagesInTurnsGiveTheSame) {
  if (const std::string reason = tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
  const auto device = make_tested_device();
  const std::vector<ConvSpec> specs{
      {.input = {7, 5, 4}, .filters = 6, .kernel = {3, 3}, .padding = {1, 1, 1, 1}},
      {.input = {9, 8, 6}, .filters = 9, .kernel = {2, 3}, .stride = {2, 1}, .groups = 3},
      {.input = {8, 8, 5}, .filters = 3, .kernel = {1, 1}, .stride = {2, 2}},
  };
  for (const ConvSpec& spec : specs) {
    constexpr int64_t batch = 7;
    const Results whole = run(*device, spec, batch, size_t{1} << 30);
    const Shape output = spec.output();
    const size_t image =
        static_cast<size_t>(output[0] * output[1] * spec.kernel.h * spec.kernel.w * spec.input[2]) * sizeof(float);
    for (const size_t images : {0, 1, 3, 6}) {
      SCOPED_TRACE(concat(spec.input.text(), ", room for ", images, " images"));
      const Results turns = run(*device, spec, batch, images * image);
      EXPECT_LT(turns.scratch_bytes, whole.scratch_bytes);
      EXPECT_EQ(turns.y, whole.y);
      EXPECT_EQ(turns.dx, whole.dx);
      EXPECT_EQ(turns.added, whole.added);
      EXPECT_EQ(turns.dweight, whole.dweight);
      EXPECT_EQ(turns.dbias, whole.dbias);
    }
  }
}

}  // namespace
}  // namespace convoy::testing
