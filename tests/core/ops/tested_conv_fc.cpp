// Convolution and fully connected layers: cases, and how they are run beside the oracle.
#include <optional>

#include "tests/core/ops/draws.hpp"
#include "tests/core/ops/families.hpp"

namespace convoy::testing {
namespace {

/// Convolution and fully connected layers: linear in the input and in the weights.
template <typename Spec, typename Op>
class Linear : public TestedOp {
 public:
  Linear(const Spec& spec, int64_t batch, int64_t x, int64_t w, int64_t k, int64_t y)
      : spec_(spec), batch_(batch), x_(x), k_(k), y_(y), weights_(uniform(0, 1, w)) {}

  OpData data(uint64_t seed) const override {
    OpData out{.inputs = {uniform(seed, 0, x_), weights_}, .labels = {}, .dy = uniform(seed, 3, y_)};
    if (spec_.bias) out.inputs.push_back(uniform(seed, 2, k_));
    return out;
  }

  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    Sums y(static_cast<size_t>(y_));
    visit([&](size_t i, size_t x, size_t w) { y[i].add(in[0][x] * in[1][w]); });
    for (size_t i = 0; spec_.bias && i < y.size(); ++i) y[i].add(in[2][i % static_cast<size_t>(k_)]);
    if (spec_.activation == Activation::relu) {
      for (Sum& sum : y) sum.value = std::max(sum.value, 0.0);
    }
    return y;
  }

  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g{Sums(spec_.input_gradient ? in[0].size() : 0), Sums(in[1].size())};
    visit([&](size_t i, size_t x, size_t w) {
      const double dy = static_cast<double>(data.dy[i]);
      if (spec_.input_gradient) g[0][x].add(dy * in[1][w]);
      g[1][w].add(dy * in[0][x]);
    });
    if (spec_.bias) {
      g.emplace_back(static_cast<size_t>(k_));
      for (size_t i = 0; i < data.dy.size(); ++i) {
        g[2][i % static_cast<size_t>(k_)].add(static_cast<double>(data.dy[i]));
      }
    }
    return g;
  }

  bool differentiable() const override { return spec_.activation == Activation::none; }
  bool has_input_gradient() const override { return spec_.input_gradient; }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make(device, options);
    packed_ = DeviceBuffer(device, op_->packed_bytes() + 1, "packed weights");
    on_device_.emplace(device, weights_);
    op_->attach(packed_.data());
    op_->refresh_weights(on_device_->data());
    scratch_.prepare(device, op_->scratch_bytes(), options.teams);
  }

  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const OnDevice x(*device_, data.inputs[0]), y(*device_, sized(static_cast<size_t>(y_))), dy(*device_, data.dy);
    const OnDevice dx(*device_, spec_.input_gradient ? before : std::vector<float>());
    const OnDevice dweight(*device_, sized(weights_.size()));
    const OnDevice bias(*device_, spec_.bias ? data.inputs[2] : std::vector<float>());
    const OnDevice dbias(*device_, sized(spec_.bias ? static_cast<size_t>(k_) : 0));
    const OpContext context = scratch_.context(team);
    op_->forward(context, x.data(), spec_.bias ? bias.data() : nullptr, y.data());
    if (spec_.input_gradient) op_->backward_data(context, dy.data(), dx.data(), write);
    op_->backward_weights(context, x.data(), dy.data(), dweight.data(), spec_.bias ? dbias.data() : nullptr);
    OpResult out{.y = y.values(), .gradients = {dx.values(), dweight.values()}};
    if (spec_.bias) out.gradients.push_back(dbias.values());
    return out;
  }

 protected:
  using Visitor = std::function<void(size_t y, size_t x, size_t w)>;
  virtual void visit(const Visitor& visitor) const = 0;
  virtual std::unique_ptr<Op> make(Device& device, const OpOptions& options) const = 0;

  const Spec spec_;
  const int64_t batch_;
  std::unique_ptr<Op> op_;

 private:
  int64_t x_, k_, y_;  // elements
  std::vector<float> weights_;
  Device* device_ = nullptr;
  std::optional<OnDevice<float>> on_device_;  // the weights
  DeviceBuffer packed_;
  Scratch scratch_;
};

class TestedConv final : public Linear<ConvSpec, Conv> {
 public:
  TestedConv(const ConvSpec& spec, int64_t batch)
      : Linear(spec, batch, batch * spec.input.count(), spec.weight().count(), spec.filters,
               batch * spec.output().count()) {}

 private:
  void visit(const Visitor& visitor) const override { visit_conv(spec_, batch_, visitor); }
  std::unique_ptr<Conv> make(Device& device, const OpOptions& options) const override {
    return make_conv(device, spec_, options);
  }
};

class TestedFc final : public Linear<FcSpec, Fc> {
 public:
  TestedFc(const FcSpec& spec, int64_t batch)
      : Linear(spec, batch, batch * spec.inputs, spec.inputs * spec.outputs, spec.outputs, batch * spec.outputs) {}

 private:
  void visit(const Visitor& visitor) const override { visit_fc(spec_, batch_, visitor); }
  std::unique_ptr<Fc> make(Device& device, const OpOptions& options) const override {
    return make_fc(device, spec_, options);
  }
};

}  // namespace

std::unique_ptr<TestedOp> make_tested(const ConvSpec& spec, int64_t batch) {
  return std::make_unique<TestedConv>(spec, batch);
}

std::unique_ptr<TestedOp> make_tested(const FcSpec& spec, int64_t batch) {
  return std::make_unique<TestedFc>(spec, batch);
}

std::vector<OpCase> conv_cases() {
  const auto relu = Activation::relu;
  return {
      {"conv_one_number", 1, ConvSpec{.input = {1, 1, 1}, .kernel = {1, 1}}},
      {"conv_one_pixel", 3, ConvSpec{.input = {1, 1, 7}, .filters = 5, .kernel = {1, 1}}},
      {"conv_1x1", 2, ConvSpec{.input = {5, 3, 33}, .filters = 17, .kernel = {1, 1}}},
      {"conv_1x1_padded", 2, ConvSpec{.input = {4, 3, 6}, .filters = 5, .kernel = {1, 1}, .padding = {1, 0, 0, 2}}},
      {"conv_1x1_groups", 3, ConvSpec{.input = {5, 4, 8}, .filters = 6, .kernel = {1, 1}, .groups = 2}},
      {"conv_1x1_strided", 2, ConvSpec{.input = {7, 8, 4}, .filters = 5, .kernel = {1, 1}, .stride = {2, 3}}},
      {"conv_kernel_is_image_padded", 2,
       ConvSpec{.input = {3, 2, 4}, .filters = 3, .kernel = {3, 2}, .padding = {1, 1, 0, 0}}},
      {"conv_kernel_is_image_groups", 4, ConvSpec{.input = {2, 3, 6}, .filters = 4, .kernel = {2, 3}, .groups = 2}},
      {"conv_kernel_is_image", 65, ConvSpec{.input = {3, 4, 2}, .filters = 3, .kernel = {3, 4}}},
      {"conv_one_filter", 4, ConvSpec{.input = {9, 7, 5}, .filters = 1, .kernel = {3, 3}}},
      {"conv_no_bias", 2, ConvSpec{.input = {6, 6, 3}, .filters = 8, .kernel = {3, 3}, .bias = false}},
      {"conv_relu", 2, ConvSpec{.input = {6, 6, 16}, .filters = 16, .kernel = {3, 3}, .activation = relu}},
      {"conv_relu_no_bias", 3,
       ConvSpec{.input = {5, 7, 6}, .filters = 9, .kernel = {2, 3}, .bias = false, .activation = relu}},
      {"conv_same_padding", 2, ConvSpec{.input = {7, 9, 8}, .filters = 16, .kernel = {3, 3}, .padding = {1, 1, 1, 1}}},
      {"conv_four_paddings", 2, ConvSpec{.input = {7, 9, 5}, .filters = 6, .kernel = {4, 3}, .padding = {1, 0, 3, 2}}},
      {"conv_padding_beyond_kernel", 1,
       ConvSpec{.input = {2, 2, 3}, .filters = 4, .kernel = {3, 3}, .padding = {4, 3, 5, 4}}},
      {"conv_stride_2", 5, ConvSpec{.input = {11, 10, 4}, .filters = 7, .kernel = {3, 3}, .stride = {2, 2}}},
      {"conv_strides_differ", 2,
       ConvSpec{.input = {13, 9, 6}, .filters = 10, .kernel = {5, 2}, .stride = {3, 1}, .padding = {2, 0, 1, 1}}},
      {"conv_stride_beyond_kernel", 2, ConvSpec{.input = {9, 9, 3}, .filters = 5, .kernel = {1, 2}, .stride = {2, 4}}},
      {"conv_dilated", 2,
       ConvSpec{.input = {9, 11, 8}, .filters = 8, .kernel = {3, 3}, .dilation = {2, 3}, .padding = {2, 3, 2, 3}}},
      {"conv_dilated_strided", 2,
       ConvSpec{.input = {12, 12, 3}, .filters = 5, .kernel = {3, 2}, .stride = {2, 2}, .dilation = {2, 2}}},
      {"conv_groups", 2, ConvSpec{.input = {7, 7, 6}, .filters = 9, .kernel = {3, 3}, .groups = 3}},
      {"conv_groups_wide", 1,
       ConvSpec{.input = {5, 5, 64}, .filters = 32, .kernel = {3, 3}, .padding = {1, 1, 1, 1}, .groups = 2}},
      {"conv_groups_dilated_strided", 2,
       ConvSpec{.input = {9, 10, 8},
                .filters = 12,
                .kernel = {3, 2},
                .stride = {2, 1},
                .dilation = {1, 2},
                .padding = {0, 1, 2, 1},
                .groups = 4}},
      {"conv_depthwise", 3,
       ConvSpec{.input = {8, 8, 5}, .filters = 5, .kernel = {3, 3}, .padding = {1, 1, 1, 1}, .groups = 5}},
      {"conv_depthwise_doubled", 2, ConvSpec{.input = {6, 6, 4}, .filters = 8, .kernel = {3, 3}, .groups = 4}},
      {"conv_depthwise_many_channels", 3,
       ConvSpec{.input = {9, 10, 36}, .filters = 36, .kernel = {3, 3}, .padding = {1, 1, 1, 1}, .groups = 36}},
      {"conv_depthwise_strided_dilated", 9,
       ConvSpec{.input = {13, 12, 8},
                .filters = 8,
                .kernel = {5, 3},
                .stride = {2, 1},
                .dilation = {1, 2},
                .padding = {3, 1, 0, 2},
                .groups = 8,
                .activation = relu}},
      {"conv_wider_than_a_tile", 1, ConvSpec{.input = {4, 70, 40}, .filters = 70, .kernel = {3, 3}}},
      {"conv_first_grey", 9, ConvSpec{.input = {12, 13, 1}, .filters = 20, .kernel = {5, 5}, .input_gradient = false}},
      {"conv_first_colour", 2,
       ConvSpec{.input = {19, 19, 3},
                .filters = 16,
                .kernel = {7, 7},
                .stride = {2, 2},
                .padding = {3, 3, 3, 3},
                .input_gradient = false}},
      {"conv_alexnet_first", 1,
       ConvSpec{.input = {47, 47, 3}, .filters = 24, .kernel = {11, 11}, .stride = {4, 4}, .input_gradient = false}},
      {"conv_lenet_1", 3, ConvSpec{.input = {28, 28, 1}, .filters = 20, .kernel = {5, 5}, .input_gradient = false}},
      {"conv_lenet_2", 5, ConvSpec{.input = {12, 12, 20}, .filters = 50, .kernel = {5, 5}}},
  };
}

std::vector<OpCase> fc_cases() {
  return {
      {"fc_one_number", 1, FcSpec{}},
      {"fc_one_input", 3, FcSpec{.inputs = 1, .outputs = 7}},
      {"fc_one_output", 5, FcSpec{.inputs = 13, .outputs = 1}},
      {"fc_odd", 7, FcSpec{.inputs = 33, .outputs = 17}},
      {"fc_no_bias", 2, FcSpec{.inputs = 20, .outputs = 30, .bias = false}},
      {"fc_relu", 4, FcSpec{.inputs = 64, .outputs = 48, .activation = Activation::relu}},
      {"fc_first", 4, FcSpec{.inputs = 30, .outputs = 11, .input_gradient = false}},
      {"fc_batch_1", 1, FcSpec{.inputs = 300, .outputs = 100}},
      {"fc_batch_65", 65, FcSpec{.inputs = 19, .outputs = 21}},
      {"fc_lenet_1", 6, FcSpec{.inputs = 800, .outputs = 500, .activation = Activation::relu}},
      {"fc_lenet_2", 32, FcSpec{.inputs = 500, .outputs = 10}},
      // Large enough for another algorithm; the relu spares it the slow check by finite differences.
      {"fc_large_odd", 3, FcSpec{.inputs = 1031, .outputs = 1019, .activation = Activation::relu}},
  };
}

}  // namespace convoy::testing
