// Local response normalisation: cases, and how they are run beside the oracle.
#include "tests/core/ops/draws.hpp"
#include "tests/core/ops/families.hpp"

namespace convoy::testing {
namespace {

class TestedLrn final : public TestedOp {
 public:
  TestedLrn(const LrnSpec& spec, int64_t batch) : spec_(spec), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    const int64_t n = batch_ * spec_.input.count();
    return {.inputs = {uniform(seed, 0, n)}, .labels = {}, .dy = uniform(seed, 3, n)};
  }
  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    const Doubles s = normaliser(in[0]);
    Sums y;
    for (size_t i = 0; i < s.size(); ++i) y.emplace_back().add(in[0][i] * std::pow(s[i], -beta_));
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    const Doubles& x = in[0];
    const Doubles s = normaliser(x);
    std::vector<Sums> g{Sums(x.size())};
    for (size_t i = 0; i < x.size(); ++i) {
      const double dy = static_cast<double>(data.dy[i]);
      g[0][i].add(dy * std::pow(s[i], -beta_));
      // y[i] depends on all of its window: this is what it sends to each.
      visit_window(i, [&](size_t other) {
        g[0][other].add(-2 * alpha_ * beta_ * x[other] * dy * x[i] * std::pow(s[i], -beta_ - 1));
      });
    }
    return g;
  }
  // A power of a sum: a dozen roundings follow one another.
  double term_error() const override { return 4; }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make_lrn(device, spec_, options);
    scratch_.prepare(device, op_->scratch_bytes(), options.teams);
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const OnDevice x(*device_, data.inputs[0]), y(*device_, sized(data.dy.size())), dy(*device_, data.dy);
    const OnDevice dx(*device_, before);
    const OpContext context = scratch_.context(team);
    op_->forward(context, x.data(), y.data());
    op_->backward(context, x.data(), dy.data(), dx.data(), write);
    return {.y = y.values(), .gradients = {dx.values()}};
  }

 private:
  template <typename Visit>
  void visit_window(size_t i, const Visit& visit) const {
    const int64_t h = spec_.input[0], w = spec_.input[1], c = spec_.input[2];
    const int64_t at = static_cast<int64_t>(i), first = -((spec_.n - 1) / 2), last = first + spec_.n - 1;
    const int64_t channel = at % c, column = at / c % w, row = at / c / w % h;
    if (spec_.region == LrnSpec::Region::across) {
      for (int64_t d = first; d <= last; ++d) {
        if (channel + d >= 0 && channel + d < c) visit(static_cast<size_t>(at + d));
      }
      return;
    }
    for (int64_t down = first; down <= last; ++down) {
      for (int64_t right = first; right <= last; ++right) {
        if (row + down < 0 || row + down >= h || column + right < 0 || column + right >= w) continue;
        visit(static_cast<size_t>(at + (down * w + right) * c));
      }
    }
  }

  Doubles normaliser(const Doubles& x) const {
    Doubles s(x.size(), static_cast<double>(spec_.k));
    for (size_t i = 0; i < x.size(); ++i) {
      visit_window(i, [&](size_t other) { s[i] += alpha_ * x[other] * x[other]; });
    }
    return s;
  }

  const LrnSpec spec_;
  const int64_t batch_;
  const double beta_ = static_cast<double>(spec_.beta);
  const double alpha_ = static_cast<double>(spec_.alpha) /
                        static_cast<double>(spec_.region == LrnSpec::Region::across ? spec_.n : spec_.n * spec_.n);
  Device* device_ = nullptr;
  std::unique_ptr<Lrn> op_;
  Scratch scratch_;
};

}  // namespace

std::unique_ptr<TestedOp> make_tested(const LrnSpec& spec, int64_t batch) {
  return std::make_unique<TestedLrn>(spec, batch);
}

/// Most with an alpha so large that the windows matter as much as the elements.
std::vector<OpCase> lrn_cases() {
  const auto within = LrnSpec::Region::within;
  return {
      {"lrn_one_number", 1, LrnSpec{.input = {1, 1, 1}, .alpha = 5}},
      {"lrn_window_of_one", 2, LrnSpec{.input = {2, 3, 7}, .n = 1, .alpha = 2}},
      {"lrn_window_beyond_channels", 3, LrnSpec{.input = {3, 2, 3}, .alpha = 5}},
      {"lrn_much_wider_window", 2, LrnSpec{.input = {2, 2, 5}, .n = 23, .alpha = 30}},
      {"lrn_even_window", 2, LrnSpec{.input = {3, 5, 16}, .n = 4, .alpha = 5}},
      {"lrn_window_of_two", 2, LrnSpec{.input = {3, 3, 9}, .n = 2, .alpha = 3}},
      {"lrn_odd_channels", 3, LrnSpec{.input = {4, 3, 37}, .n = 7, .alpha = 5, .k = 2}},
      {"lrn_any_beta", 2, LrnSpec{.input = {4, 3, 20}, .alpha = 5, .beta = 1.3f}},
      {"lrn_beta_half", 2, LrnSpec{.input = {2, 3, 33}, .n = 3, .alpha = 5, .beta = 0.5f, .k = 0.5f}},
      {"lrn_beta_zero", 2, LrnSpec{.input = {2, 3, 5}, .n = 3, .alpha = 5, .beta = 0}},
      {"lrn_flat", 5, LrnSpec{.input = {1, 1, 1500}, .alpha = 5}},
      {"lrn_very_many_channels", 2, LrnSpec{.input = {1, 2, 2051}, .alpha = 5}},
      {"lrn_very_many_channels_even_window", 2, LrnSpec{.input = {1, 1, 2060}, .n = 6, .alpha = 5, .beta = 0.6f}},
      {"lrn_several_ranges", 9, LrnSpec{.input = {8, 9, 64}, .n = 5, .alpha = 5}},
      {"lrn_cifar10", 3, LrnSpec{.input = {16, 16, 32}, .n = 3, .alpha = 5e-5f}},
      {"lrn_alexnet", 2, LrnSpec{.input = {5, 5, 96}, .n = 5, .alpha = 1e-4f, .k = 2}},
      {"lrn_within_one_number", 1, LrnSpec{.input = {1, 1, 1}, .n = 3, .alpha = 5, .region = within}},
      {"lrn_within_window_of_one", 2, LrnSpec{.input = {3, 2, 5}, .n = 1, .alpha = 5, .region = within}},
      {"lrn_within_odd", 3, LrnSpec{.input = {7, 9, 5}, .n = 3, .alpha = 5, .region = within}},
      {"lrn_within_beyond_image", 2, LrnSpec{.input = {2, 3, 17}, .n = 7, .alpha = 50, .region = within}},
      {"lrn_within_one_row", 2, LrnSpec{.input = {1, 9, 6}, .n = 5, .alpha = 5, .region = within}},
      {"lrn_within_one_column", 2, LrnSpec{.input = {9, 1, 6}, .n = 5, .alpha = 5, .region = within}},
      {"lrn_within_even_window", 2, LrnSpec{.input = {5, 6, 3}, .n = 4, .alpha = 5, .region = within}},
      {"lrn_within_any_beta", 2,
       LrnSpec{.input = {5, 4, 18}, .n = 3, .alpha = 5, .beta = 0.9f, .k = 2, .region = within}},
      {"lrn_within_several_ranges", 7, LrnSpec{.input = {12, 11, 40}, .n = 3, .alpha = 5, .region = within}},
      {"lrn_within_cifar10", 3, LrnSpec{.input = {16, 16, 32}, .n = 3, .alpha = 5e-5f, .region = within}},
  };
}

}  // namespace convoy::testing
