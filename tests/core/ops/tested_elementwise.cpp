// Ops that treat each element alone: cases, and how they are run beside the oracle.
#include "tests/core/ops/draws.hpp"
#include "tests/core/ops/families.hpp"

namespace convoy::testing {
namespace {

class TestedActivation final : public TestedOp {
 public:
  TestedActivation(const ActivationSpec& spec, int64_t batch) : spec_(spec), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    const int64_t n = batch_ * spec_.count;
    OpData out{.inputs = {away_from_zero(uniform(seed, 0, n))}, .labels = {}, .dy = uniform(seed, 3, n)};
    for (float& x : out.inputs[0]) x *= 6;
    return out;
  }
  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    Sums y;
    for (const double x : in[0]) y.emplace_back().add(value(x));
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g{Sums(in[0].size())};
    for (size_t i = 0; i < in[0].size(); ++i) add_slope(in[0][i], static_cast<double>(data.dy[i]), g[0][i]);
    return g;
  }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make_activation(device, spec_, options);
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const OnDevice x(*device_, data.inputs[0]), y(*device_, sized(data.dy.size())), dy(*device_, data.dy);
    const OnDevice dx(*device_, before);
    op_->forward({.team = team}, x.data(), y.data());
    op_->backward({.team = team}, y.data(), dy.data(), dx.data(), write);
    return {.y = y.values(), .gradients = {dx.values()}};
  }

 private:
  double value(double x) const {
    switch (spec_.function) {
      case Activation::relu: return std::max(x, 0.0);
      case Activation::leaky_relu: return std::max(x, static_cast<double>(spec_.slope) * x);
      case Activation::sigmoid: return 1 / (1 + std::exp(-x));
      case Activation::tanh: return std::tanh(x);
      case Activation::none: break;
    }
    return NAN;
  }
  /// As sums, because 1 - y cancels where the function is flat.
  void add_slope(double x, double dy, Sum& sum) const {
    const double y = value(x);
    if (spec_.function == Activation::sigmoid) {
      sum.add(dy * y);
      sum.add(-dy * y * y);
    } else if (spec_.function == Activation::tanh) {
      sum.add(dy);
      sum.add(-dy * y * y);
    } else {
      sum.add(dy * (x > 0 ? 1 : static_cast<double>(spec_.slope)));
    }
  }

  const ActivationSpec spec_;
  const int64_t batch_;
  Device* device_ = nullptr;
  std::unique_ptr<ActivationOp> op_;
};

class TestedDropout final : public TestedOp {
 public:
  TestedDropout(const DropoutSpec& spec, int64_t batch) : spec_(spec), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    const int64_t n = batch_ * spec_.count;
    return {.inputs = {uniform(seed, 0, n)}, .labels = {}, .dy = uniform(seed, 3, n)};
  }
  Sums output(const std::vector<Doubles>& in, const OpData&) const override { return dropped(in[0]); }
  std::vector<Sums> gradients(const std::vector<Doubles>&, const OpData& data) const override {
    return {dropped(Doubles(data.dy.begin(), data.dy.end()))};
  }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make_dropout(device, spec_, options);
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const OnDevice x(*device_, data.inputs[0]), y(*device_, sized(data.dy.size())), dy(*device_, data.dy);
    const OnDevice dx(*device_, before);
    const OnDevice<int64_t> place(*device_, {position});
    const DropoutKey key{.seed = run_seed, .layer = layer, .position = place.data()};
    op_->forward({.team = team}, key, x.data(), y.data());
    op_->backward({.team = team}, key, dy.data(), dx.data(), write);
    return {.y = y.values(), .gradients = {dx.values()}};
  }

 private:
  static constexpr uint64_t run_seed = 0x123456789abcdefu, layer = 7;
  static constexpr int64_t position = 0x1fffffffe;

  Sums dropped(const Doubles& x) const {
    const double p = static_cast<double>(spec_.p);
    Sums y;
    for (size_t i = 0; i < x.size(); ++i) {
      const uint64_t image = i / static_cast<size_t>(spec_.count), element = i % static_cast<size_t>(spec_.count);
      const uint64_t stream = layer << 48 | (static_cast<uint64_t>(position) + image);
      const RandomStream random(run_seed, RandomPurpose::dropout, stream);
      const bool kept = static_cast<double>(random.block(element / 4).word[element % 4]) >= p * 0x1p32;
      y.emplace_back().add(kept ? x[i] / (1 - p) : 0);
    }
    return y;
  }

  const DropoutSpec spec_;
  const int64_t batch_;
  Device* device_ = nullptr;
  std::unique_ptr<Dropout> op_;
};

class TestedPixels final : public TestedOp {
 public:
  TestedPixels(const PixelsSpec& spec, int64_t batch) : spec_(spec), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    OpData out{.inputs = {uniform(seed, 0, batch_ * spec_.input.count())}, .labels = {}, .dy = {}};
    if (spec_.dtype == DType::u8) {
      for (float& x : out.inputs[0]) x = std::floor(x * 128 + 128);
    }
    return out;
  }
  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    Sums y;
    for (size_t i = 0; i < in[0].size(); ++i) {
      const size_t channel = i % spec_.mean.size();
      Sum& sum = y.emplace_back();
      sum.add(in[0][i] * static_cast<double>(spec_.scale[channel]));
      sum.add(-static_cast<double>(spec_.mean[channel]) * static_cast<double>(spec_.scale[channel]));
    }
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>&, const OpData&) const override { return {{}}; }
  bool differentiable() const override { return false; }
  bool has_input_gradient() const override { return false; }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make_pixels(device, spec_, options);
  }
  OpResult run(int team, const OpData& data, Write, const std::vector<float>&) override {
    const std::vector<uint8_t> bytes(data.inputs[0].begin(), data.inputs[0].end());
    const OnDevice floats(*device_, data.inputs[0]), y(*device_, sized(data.inputs[0].size()));
    const OnDevice pixels(*device_, bytes);
    const bool stored_as_bytes = spec_.dtype == DType::u8;
    op_->forward({.team = team}, stored_as_bytes ? static_cast<const void*>(pixels.data()) : floats.data(), y.data());
    return {.y = y.values(), .gradients = {{}}};
  }

 private:
  const PixelsSpec spec_;
  const int64_t batch_;
  Device* device_ = nullptr;
  std::unique_ptr<Pixels> op_;
};

}  // namespace

std::unique_ptr<TestedOp> make_tested(const ActivationSpec& spec, int64_t batch) {
  return std::make_unique<TestedActivation>(spec, batch);
}

std::unique_ptr<TestedOp> make_tested(const DropoutSpec& spec, int64_t batch) {
  return std::make_unique<TestedDropout>(spec, batch);
}

std::unique_ptr<TestedOp> make_tested(const PixelsSpec& spec, int64_t batch) {
  return std::make_unique<TestedPixels>(spec, batch);
}

std::vector<OpCase> activation_cases() {
  return {
      {"relu_one_number", 1, ActivationSpec{.count = 1}},
      {"relu_odd", 3, ActivationSpec{.count = 37}},
      {"relu_lenet", 64, ActivationSpec{.count = 500}},
      {"relu_several_ranges", 5, ActivationSpec{.count = 13001}},
      {"leaky_relu_odd", 3, ActivationSpec{.function = Activation::leaky_relu, .count = 37, .slope = 0.01f}},
      {"leaky_relu_several_ranges", 5,
       ActivationSpec{.function = Activation::leaky_relu, .count = 13001, .slope = 0.25f}},
      {"sigmoid_one_number", 1, ActivationSpec{.function = Activation::sigmoid, .count = 1}},
      {"sigmoid_odd", 3, ActivationSpec{.function = Activation::sigmoid, .count = 37}},
      {"sigmoid_several_ranges", 5, ActivationSpec{.function = Activation::sigmoid, .count = 4001}},
      {"tanh_one_number", 1, ActivationSpec{.function = Activation::tanh, .count = 1}},
      {"tanh_odd", 3, ActivationSpec{.function = Activation::tanh, .count = 37}},
      {"tanh_several_ranges", 5, ActivationSpec{.function = Activation::tanh, .count = 4001}},
  };
}

std::vector<OpCase> dropout_cases() {
  return {
      {"dropout_one_number", 3, DropoutSpec{.count = 1}},
      {"dropout_odd", 5, DropoutSpec{.count = 67, .p = 0.3f}},
      {"dropout_whole_groups", 2, DropoutSpec{.count = 128, .p = 0.75f}},
      {"dropout_nothing", 2, DropoutSpec{.count = 70, .p = 0}},
      {"dropout_hardly_anything", 2, DropoutSpec{.count = 5000, .p = 1e-9f}},
      {"dropout_nearly_all", 2, DropoutSpec{.count = 5000, .p = 0.999f}},
      {"dropout_several_ranges", 7, DropoutSpec{.count = 4099}},
      {"dropout_alexnet", 2, DropoutSpec{.count = 9216}},
  };
}

std::vector<OpCase> pixels_cases() {
  return {
      {"pixels_one_number", 1, PixelsSpec{.input = {1, 1, 1}, .mean = {3}, .scale = {0.5f}}},
      {"pixels_lenet", 64, PixelsSpec{.input = {28, 28, 1}, .mean = {33.3f}, .scale = {1 / 255.0f}}},
      {"pixels_colour", 3,
       PixelsSpec{.input = {17, 19, 3}, .mean = {124, 117, 104}, .scale = {0.017f, 0.018f, 0.019f}}},
      {"pixels_floats", 2,
       PixelsSpec{.input = {9, 5, 2}, .dtype = DType::f32, .mean = {0.5f, -1}, .scale = {2, 0.25f}}},
  };
}

}  // namespace convoy::testing
