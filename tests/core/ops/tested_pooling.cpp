// Pooling: cases, and how they are run beside the oracle.
#include "tests/core/ops/draws.hpp"
#include "tests/core/ops/families.hpp"

namespace convoy::testing {
namespace {

MaxPoolSpec pool(Shape input, Shape output, Extent2 kernel, Extent2 stride, Padding padding = {}) {
  return {.input = input, .output = output, .kernel = kernel, .stride = stride, .padding = padding};
}

MaxPoolSpec dilated(const Extent2& dilation, MaxPoolSpec spec) {
  spec.dilation = dilation;
  return spec;
}

MaxPoolSpec masking(MaxPoolSpec spec) {
  spec.masks_relu = true;
  return spec;
}

class TestedMaxPool final : public TestedOp {
 public:
  TestedMaxPool(const MaxPoolSpec& spec, int64_t batch) : spec_(spec), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    return {.inputs = {distinct(seed, batch_ * spec_.input.count())},
            .labels = {},
            .dy = uniform(seed, 3, batch_ * spec_.output.count())};
  }
  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    Sums y;
    for (const size_t place : places_of_max(spec_, batch_, in[0])) y.emplace_back().add(in[0][place]);
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g{Sums(in[0].size())};
    const auto places = places_of_max(spec_, batch_, in[0]);
    for (size_t i = 0; i < places.size(); ++i) {
      const bool stopped = spec_.masks_relu && in[0][places[i]] <= 0;
      g[0][places[i]].add(stopped ? 0 : static_cast<double>(data.dy[i]));
    }
    return g;
  }
  // The gradient is that of a relu as well, which is not in the output.
  bool differentiable() const override { return !spec_.masks_relu; }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make_maxpool(device, spec_, options);
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const OnDevice x(*device_, data.inputs[0]), y(*device_, sized(data.dy.size())), dy(*device_, data.dy);
    const OnDevice dx(*device_, before);
    const OnDevice argmax(*device_, std::vector<std::byte>(op_->argmax_bytes()));
    op_->forward({.team = team}, x.data(), y.data(), argmax.data());
    op_->backward({.team = team}, dy.data(), argmax.data(), dx.data(), write);
    return {.y = y.values(), .gradients = {dx.values()}};
  }

 private:
  const MaxPoolSpec spec_;
  const int64_t batch_;
  Device* device_ = nullptr;
  std::unique_ptr<MaxPool> op_;
};

AvgPoolSpec average(Shape input, Shape output, Extent2 kernel, Extent2 stride, Padding padding = {},
                    PoolDivisor divisor = PoolDivisor::counted) {
  return {.input = input, .output = output, .kernel = kernel, .stride = stride, .padding = padding, .divisor = divisor};
}

class TestedAvgPool final : public TestedOp {
 public:
  TestedAvgPool(const AvgPoolSpec& spec, int64_t batch) : spec_(spec), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    return {.inputs = {uniform(seed, 0, batch_ * spec_.input.count())},
            .labels = {},
            .dy = uniform(seed, 3, batch_ * spec_.output.count())};
  }
  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    Sums y(static_cast<size_t>(batch_ * spec_.output.count()));
    visit([&](size_t i, size_t x, double share) { y[i].add(share * in[0][x]); });
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g{Sums(in[0].size())};
    visit([&](size_t i, size_t x, double share) { g[0][x].add(share * static_cast<double>(data.dy[i])); });
    return g;
  }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make_avgpool(device, spec_, options);
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const OnDevice x(*device_, data.inputs[0]), y(*device_, sized(data.dy.size())), dy(*device_, data.dy);
    const OnDevice dx(*device_, before);
    op_->forward({.team = team}, x.data(), y.data());
    op_->backward({.team = team}, dy.data(), dx.data(), write);
    return {.y = y.values(), .gradients = {dx.values()}};
  }

 private:
  /// visit(index into y, into x, one over the window's divisor), image by image, window by window.
  template <typename Visit>
  void visit(const Visit& visit) const {
    for (int64_t n = 0; n < batch_; ++n) {
      for (int64_t p = 0; p < spec_.output[0]; ++p) {
        for (int64_t q = 0; q < spec_.output[1]; ++q) visit_window(n, p, q, visit);
      }
    }
  }
  template <typename Visit>
  void visit_window(int64_t n, int64_t p, int64_t q, const Visit& visit) const {
    const int64_t h = spec_.input[0], w = spec_.input[1], c = spec_.input[2];
    std::vector<int64_t> places;
    double counted = 0;
    for (int64_t r = 0; r < spec_.kernel.h; ++r) {
      for (int64_t s = 0; s < spec_.kernel.w; ++s) {
        const int64_t row = p * spec_.stride.h + r - spec_.padding.top;
        const int64_t column = q * spec_.stride.w + s - spec_.padding.left;
        if (row < h + spec_.padding.bottom && column < w + spec_.padding.right) ++counted;
        if (row >= 0 && row < h && column >= 0 && column < w) places.push_back(((n * h + row) * w + column) * c);
      }
    }
    const double share = 1 / (spec_.divisor == PoolDivisor::counted ? counted : static_cast<double>(places.size()));
    const int64_t y = ((n * spec_.output[0] + p) * spec_.output[1] + q) * c;
    for (const int64_t place : places) {
      for (int64_t i = 0; i < c; ++i) visit(static_cast<size_t>(y + i), static_cast<size_t>(place + i), share);
    }
  }

  const AvgPoolSpec spec_;
  const int64_t batch_;
  Device* device_ = nullptr;
  std::unique_ptr<AvgPool> op_;
};

}  // namespace

std::unique_ptr<TestedOp> make_tested(const AvgPoolSpec& spec, int64_t batch) {
  return std::make_unique<TestedAvgPool>(spec, batch);
}

std::unique_ptr<TestedOp> make_tested(const MaxPoolSpec& spec, int64_t batch) {
  return std::make_unique<TestedMaxPool>(spec, batch);
}

std::vector<OpCase> maxpool_cases() {
  return {
      {"maxpool_one_number", 1, pool({1, 1, 1}, {1, 1, 1}, {1, 1}, {1, 1})},
      {"maxpool_2x2", 2, pool({4, 6, 16}, {2, 3, 16}, {2, 2}, {2, 2})},
      {"maxpool_few_channels", 3, pool({6, 4, 3}, {3, 2, 3}, {2, 2}, {2, 2})},
      {"maxpool_odd_channels", 2, pool({4, 4, 37}, {2, 2, 37}, {2, 2}, {2, 2})},
      {"maxpool_floor", 2, pool({5, 7, 18}, {2, 3, 18}, {2, 2}, {2, 2})},
      {"maxpool_floor_rows", 2, pool({5, 6, 4}, {2, 3, 4}, {2, 2}, {2, 2})},
      {"maxpool_floor_columns", 2, pool({4, 7, 4}, {2, 3, 4}, {2, 2}, {2, 2})},
      {"maxpool_overhang", 2, pool({5, 7, 18}, {3, 4, 18}, {2, 2}, {2, 2})},
      {"maxpool_overlapping", 2, pool({7, 9, 20}, {3, 4, 20}, {3, 3}, {2, 2})},
      {"maxpool_stride_1", 2, pool({5, 5, 5}, {3, 3, 5}, {3, 3}, {1, 1})},
      {"maxpool_gaps", 2, pool({8, 8, 17}, {3, 3, 17}, {2, 2}, {3, 3})},
      {"maxpool_padded", 2, pool({6, 6, 20}, {3, 3, 20}, {3, 3}, {2, 2}, {1, 1, 0, 0})},
      {"maxpool_four_paddings", 3, pool({6, 7, 4}, {4, 4, 4}, {3, 4}, {2, 2}, {2, 1, 1, 2})},
      {"maxpool_padded_overhang", 1, pool({4, 4, 19}, {3, 3, 19}, {3, 3}, {2, 2}, {1, 1, 1, 1})},
      {"maxpool_1x3", 2, pool({3, 6, 16}, {3, 2, 16}, {1, 3}, {1, 3})},
      {"maxpool_3x1", 2, pool({6, 3, 16}, {2, 3, 16}, {3, 1}, {3, 1})},
      {"maxpool_global", 65, pool({5, 3, 9}, {1, 1, 9}, {5, 3}, {1, 1})},
      {"maxpool_15x17", 1, pool({15, 34, 2}, {1, 2, 2}, {15, 17}, {15, 17})},
      {"maxpool_lenet_1", 8, pool({24, 24, 20}, {12, 12, 20}, {2, 2}, {2, 2})},
      {"maxpool_lenet_2", 8, pool({8, 8, 50}, {4, 4, 50}, {2, 2}, {2, 2})},
      {"maxpool_alexnet", 2, pool({13, 13, 64}, {6, 6, 64}, {3, 3}, {2, 2})},
      {"maxpool_after_relu", 3, masking(pool({7, 9, 20}, {3, 4, 20}, {3, 3}, {2, 2}))},
      {"maxpool_after_relu_tiled", 2, masking(pool({4, 6, 37}, {2, 3, 37}, {2, 2}, {2, 2}))},
      {"maxpool_after_relu_padded", 2, masking(pool({6, 6, 5}, {3, 3, 5}, {3, 3}, {2, 2}, {1, 1, 0, 0}))},
      {"maxpool_wide", 2, pool({11, 40, 48}, {5, 19, 48}, {3, 3}, {2, 2})},
      {"maxpool_dilated", 2, dilated({2, 2}, pool({7, 9, 20}, {3, 5, 20}, {3, 3}, {1, 1}))},
      {"maxpool_dilated_as_strided", 2, dilated({2, 2}, pool({9, 11, 5}, {3, 4, 5}, {3, 3}, {2, 2}))},
      {"maxpool_dilated_2_strided_3", 3, dilated({2, 2}, pool({11, 14, 17}, {3, 4, 17}, {3, 3}, {3, 3}))},
      {"maxpool_dilated_3_strided_2", 3, dilated({3, 3}, pool({13, 15, 4}, {4, 5, 4}, {3, 3}, {2, 2}))},
      {"maxpool_dilated_4_strided_6", 2, dilated({4, 4}, pool({21, 23, 3}, {3, 3, 3}, {3, 3}, {6, 6}))},
      {"maxpool_dilated_rows", 2, dilated({3, 1}, pool({9, 6, 16}, {3, 3, 16}, {3, 2}, {1, 2}))},
      {"maxpool_dilated_columns", 2, dilated({1, 3}, pool({6, 9, 16}, {3, 3, 16}, {2, 3}, {2, 1}))},
      {"maxpool_dilated_padded", 2, dilated({2, 3}, pool({6, 7, 20}, {4, 4, 20}, {3, 3}, {2, 2}, {3, 4, 2, 3}))},
      {"maxpool_dilated_overhang", 2, dilated({2, 2}, pool({6, 8, 9}, {3, 4, 9}, {2, 2}, {2, 2}))},
      {"maxpool_dilated_far", 1, dilated({9, 11}, pool({20, 24, 2}, {2, 2, 2}, {3, 3}, {1, 1}))},
      {"maxpool_dilated_one_pixel", 2, dilated({5, 7}, pool({6, 5, 8}, {3, 3, 8}, {1, 1}, {2, 2}))},
      {"maxpool_dilated_after_relu", 2, masking(dilated({2, 2}, pool({8, 8, 18}, {4, 4, 18}, {3, 3}, {1, 1})))},
  };
}

std::vector<OpCase> avgpool_cases() {
  const auto inside = PoolDivisor::inside;
  return {
      {"avgpool_one_number", 1, average({1, 1, 1}, {1, 1, 1}, {1, 1}, {1, 1})},
      {"avgpool_2x2", 2, average({4, 6, 16}, {2, 3, 16}, {2, 2}, {2, 2})},
      {"avgpool_few_channels", 3, average({6, 4, 3}, {3, 2, 3}, {2, 2}, {2, 2})},
      {"avgpool_odd_channels", 2, average({4, 4, 37}, {2, 2, 37}, {2, 2}, {2, 2})},
      {"avgpool_floor", 2, average({5, 7, 18}, {2, 3, 18}, {2, 2}, {2, 2})},
      {"avgpool_overhang", 2, average({5, 7, 18}, {3, 4, 18}, {2, 2}, {2, 2})},
      {"avgpool_overhang_inside", 2, average({5, 7, 18}, {3, 4, 18}, {2, 2}, {2, 2}, {}, inside)},
      {"avgpool_overlapping", 2, average({7, 9, 20}, {3, 4, 20}, {3, 3}, {2, 2})},
      {"avgpool_stride_1", 2, average({5, 5, 5}, {3, 3, 5}, {3, 3}, {1, 1})},
      {"avgpool_5x4", 2, average({9, 8, 33}, {5, 5, 33}, {5, 4}, {1, 1})},
      {"avgpool_gaps", 2, average({8, 8, 17}, {3, 3, 17}, {2, 2}, {3, 3})},
      {"avgpool_padded", 2, average({6, 6, 20}, {3, 3, 20}, {3, 3}, {2, 2}, {1, 1, 0, 0})},
      {"avgpool_padded_inside", 2, average({6, 6, 20}, {3, 3, 20}, {3, 3}, {2, 2}, {1, 1, 0, 0}, inside)},
      {"avgpool_four_paddings", 3, average({6, 7, 4}, {4, 4, 4}, {3, 4}, {2, 2}, {2, 1, 1, 2})},
      {"avgpool_four_paddings_inside", 3, average({6, 7, 4}, {4, 4, 4}, {3, 4}, {2, 2}, {2, 1, 1, 2}, inside)},
      {"avgpool_padded_overhang", 1, average({4, 4, 19}, {3, 3, 19}, {3, 3}, {2, 2}, {1, 1, 1, 1})},
      {"avgpool_padded_overhang_inside", 1, average({4, 4, 19}, {3, 3, 19}, {3, 3}, {2, 2}, {1, 1, 1, 1}, inside)},
      {"avgpool_1x3", 2, average({3, 6, 16}, {3, 2, 16}, {1, 3}, {1, 3})},
      {"avgpool_full_width", 2, average({7, 3, 16}, {3, 1, 16}, {3, 3}, {2, 1})},
      {"avgpool_full_width_padded", 2, average({6, 3, 9}, {4, 1, 9}, {3, 3}, {2, 1}, {1, 0, 2, 0})},
      {"avgpool_wider_than_the_image", 2, average({4, 3, 7}, {2, 1, 7}, {3, 5}, {2, 2})},
      {"avgpool_global", 65, average({5, 3, 9}, {1, 1, 9}, {5, 3}, {1, 1})},
      {"avgpool_global_wide", 3, average({7, 7, 512}, {1, 1, 512}, {7, 7}, {1, 1})},
      {"avgpool_global_odd_channels", 3, average({6, 7, 37}, {1, 1, 37}, {6, 7}, {1, 1})},
      {"avgpool_global_many_images", 2500, average({6, 6, 2}, {1, 1, 2}, {6, 6}, {1, 1})},
      {"avgpool_large_windows", 2, average({15, 17, 24}, {3, 3, 24}, {6, 8}, {5, 6}, {1, 2, 1, 3})},
      {"avgpool_global_large", 1, average({33, 40, 2}, {1, 1, 2}, {33, 40}, {33, 40})},
      {"avgpool_cifar10", 3, average({16, 16, 32}, {8, 8, 32}, {3, 3}, {2, 2})},
      {"avgpool_wide", 2, average({11, 40, 48}, {5, 19, 48}, {3, 3}, {2, 2})},
  };
}

}  // namespace convoy::testing
