// Ops of several inputs, add and concat: cases, and how they are run beside the oracle.
#include "tests/core/ops/draws.hpp"
#include "tests/core/ops/families.hpp"

namespace convoy::testing {
namespace {

/// An op's inputs in the device's memory, and the list of them that it takes.
struct Inputs {
  Inputs(Device& device, const std::vector<std::vector<float>>& values) {
    for (const auto& input : values) pointers.push_back(memory.emplace_back(device, input).data());
  }
  std::vector<OnDevice<float>> memory;
  std::vector<const float*> pointers;
};

class TestedAdd final : public TestedOp {
 public:
  TestedAdd(const SeveralAdded& added, int64_t batch)
      : spec_(added.spec), inputs_(added.inputs), count_(batch * spec_.count) {}

  OpData data(uint64_t seed) const override {
    OpData out{.inputs = {}, .labels = {}, .dy = uniform(seed, 3, count_)};
    for (uint64_t i = 0; i < inputs_; ++i) out.inputs.push_back(uniform(seed, 10 + i, count_));
    return out;
  }
  Sums output(const std::vector<Doubles>& in, const OpData& data) const override {
    Sums y(data.dy.size());
    for (size_t i = 0; i < y.size(); ++i) {
      for (const Doubles& x : in) y[i].add(x[i]);
      if (spec_.activation == Activation::relu) y[i].value = std::max(y[i].value, 0.0);
    }
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    Sums g;
    for (const float dy : data.dy) g.emplace_back().add(static_cast<double>(dy));
    return std::vector<Sums>(in.size(), g);
  }
  bool differentiable() const override { return spec_.activation == Activation::none; }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make_add(device, spec_, options);
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const Inputs x(*device_, data.inputs);
    const OnDevice y(*device_, sized(data.dy.size())), dy(*device_, data.dy);
    op_->forward({.team = team}, x.pointers, y.data());
    OpResult out{.y = y.values(), .gradients = {}};
    for (size_t i = 0; i < inputs_; ++i) {
      const OnDevice dx(*device_, i == 0 ? before : sized(before.size()));
      op_->backward({.team = team}, dy.data(), dx.data(), i == 0 ? write : Write::overwrite);
      out.gradients.push_back(dx.values());
    }
    return out;
  }

 private:
  const AddSpec spec_;
  const size_t inputs_;
  const int64_t count_;
  Device* device_ = nullptr;
  std::unique_ptr<Add> op_;
};

class TestedConcat final : public TestedOp {
 public:
  TestedConcat(const ConcatSpec& spec, int64_t batch) : spec_(spec), pixels_(batch * spec.pixels) {}

  OpData data(uint64_t seed) const override {
    const int64_t all = std::accumulate(spec_.channels.begin(), spec_.channels.end(), int64_t{0});
    OpData out{.inputs = {}, .labels = {}, .dy = uniform(seed, 3, pixels_ * all)};
    for (size_t i = 0; i < spec_.channels.size(); ++i) {
      out.inputs.push_back(uniform(seed, 10 + i, pixels_ * spec_.channels[i]));
    }
    return out;
  }
  Sums output(const std::vector<Doubles>& in, const OpData& data) const override {
    Sums y(data.dy.size());
    visit([&](size_t i, size_t input, size_t x) { y[i].add(in[input][x]); });
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g;
    for (const Doubles& x : in) g.emplace_back(x.size());
    visit([&](size_t i, size_t input, size_t x) { g[input][x].add(static_cast<double>(data.dy[i])); });
    return g;
  }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make_concat(device, spec_, options);
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const Inputs x(*device_, data.inputs);
    const OnDevice y(*device_, sized(data.dy.size())), dy(*device_, data.dy);
    op_->forward({.team = team}, x.pointers, y.data());
    OpResult out{.y = y.values(), .gradients = {}};
    for (size_t i = 0; i < data.inputs.size(); ++i) {
      const OnDevice dx(*device_, i == 0 ? before : sized(data.inputs[i].size()));
      op_->backward({.team = team}, dy.data(), i, dx.data(), i == 0 ? write : Write::overwrite);
      out.gradients.push_back(dx.values());
    }
    return out;
  }

 private:
  /// Visits every element of y: visit(index into y, which input, index into it).
  template <typename Visit>
  void visit(const Visit& visit) const {
    size_t y = 0;
    for (int64_t p = 0; p < pixels_; ++p) {
      for (size_t input = 0; input < spec_.channels.size(); ++input) {
        const int64_t channels = spec_.channels[input];
        for (int64_t c = 0; c < channels; ++c) visit(y++, input, static_cast<size_t>(p * channels + c));
      }
    }
  }

  const ConcatSpec spec_;
  const int64_t pixels_;
  Device* device_ = nullptr;
  std::unique_ptr<Concat> op_;
};

}  // namespace

std::unique_ptr<TestedOp> make_tested(const SeveralAdded& added, int64_t batch) {
  return std::make_unique<TestedAdd>(added, batch);
}
std::unique_ptr<TestedOp> make_tested(const ConcatSpec& spec, int64_t batch) {
  return std::make_unique<TestedConcat>(spec, batch);
}

std::vector<OpCase> add_cases() {
  return {
      {"add_one_number", 1, SeveralAdded{.spec = {}, .inputs = 2}},
      {"add_two", 3, SeveralAdded{.spec = {.count = 37}, .inputs = 2}},
      {"add_two_relu", 5, SeveralAdded{.spec = {.count = 4097, .activation = Activation::relu}, .inputs = 2}},
      {"add_five", 2, SeveralAdded{.spec = {.count = 5001}, .inputs = 5}},
      {"add_three_relu", 2, SeveralAdded{.spec = {.count = 500, .activation = Activation::relu}, .inputs = 3}},
      {"add_as_many_as_fit", 2, SeveralAdded{.spec = {.count = 33}, .inputs = 8}},
      {"add_more_than_fit", 2, SeveralAdded{.spec = {.count = 34, .activation = Activation::relu}, .inputs = 9}},
      {"add_many", 3, SeveralAdded{.spec = {.count = 37, .activation = Activation::relu}, .inputs = 17}},
      {"add_several_ranges", 5, SeveralAdded{.spec = {.count = 13001}, .inputs = 2}},
  };
}

std::vector<OpCase> concat_cases() {
  return {
      {"concat_one_input", 2, ConcatSpec{.pixels = 3, .channels = {5}}},
      {"concat_one_number_each", 1, ConcatSpec{.pixels = 1, .channels = {1, 1}}},
      {"concat_flat", 7, ConcatSpec{.pixels = 1, .channels = {10, 3, 21}}},
      {"concat_fire", 2, ConcatSpec{.pixels = 55, .channels = {64, 64}}},
      {"concat_inception", 3, ConcatSpec{.pixels = 7 * 7, .channels = {64, 128, 32, 33}}},
      {"concat_two_of_three_aligned", 3, ConcatSpec{.pixels = 5, .channels = {4, 8, 6}}},
      {"concat_one_of_two_aligned", 3, ConcatSpec{.pixels = 5, .channels = {6, 8, 2}}},
      {"concat_many", 3,
       ConcatSpec{.pixels = 3, .channels = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1, 2}}},
      {"concat_many_aligned", 3, ConcatSpec{.pixels = 3, .channels = {4, 8, 12, 4, 8, 4, 4, 4, 16}}},
      {"concat_many_half_aligned", 2, ConcatSpec{.pixels = 3, .channels = {4, 4, 4, 4, 4, 4, 4, 4, 3}}},
      {"concat_large_input", 3, ConcatSpec{.pixels = 1, .channels = {4099}}},
      {"concat_several_ranges", 4, ConcatSpec{.pixels = 31 * 29, .channels = {3, 17}}},
  };
}

}  // namespace convoy::testing
