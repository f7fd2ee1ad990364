// Batch normalisation: cases, and how they are run beside the oracle.
#include "tests/core/ops/draws.hpp"
#include "tests/core/ops/families.hpp"

namespace convoy::testing {
namespace {

class TestedBatchNorm final : public TestedOp {
 public:
  TestedBatchNorm(const BatchNormSpec& spec, int64_t batch)
      : spec_(spec), channels_(static_cast<size_t>(spec.channels)), rows_(static_cast<size_t>(batch * spec.pixels)) {}

  OpData data(uint64_t seed) const override {
    const auto n = static_cast<int64_t>(rows_ * channels_);
    OpData out{.inputs = {uniform(seed, 0, n), uniform(0, 1, spec_.channels), uniform(0, 2, spec_.channels)},
               .labels = {},
               .dy = uniform(seed, 3, n)};
    // Each channel around a mean of its own. Far apart, for the smaller the deviation, the larger the third derivative,
    // which finite differences err by.
    for (size_t i = 0; i < out.inputs[0].size(); ++i) {
      out.inputs[0][i] = 8 * out.inputs[0][i] + static_cast<float>(i % channels_ % 7) - 3;
    }
    return out;
  }

  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    const Channels of = channels(in[0]);
    Sums y;
    for (size_t i = 0; i < in[0].size(); ++i) {
      const size_t c = i % channels_;
      Sum& sum = y.emplace_back();
      sum.add(in[1][c] * normalised(in[0][i], of, c));
      sum.add(in[2][c]);
      sum.magnitude += std::abs(in[1][c]);  // x - mean may be near 0, but the mean is rounded like the deviation
      if (spec_.activation == Activation::relu) sum.value = std::max(sum.value, 0.0);
    }
    return y;
  }

  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    const Channels of = channels(in[0]);
    std::vector<Sums> g{Sums(in[0].size()), Sums(channels_), Sums(channels_)};
    for (size_t i = 0; i < in[0].size(); ++i) {
      const double dy = static_cast<double>(data.dy[i]);
      g[1][i % channels_].add(dy * normalised(in[0][i], of, i % channels_));
      g[2][i % channels_].add(dy);
    }
    const double n = static_cast<double>(rows_);
    for (size_t i = 0; i < in[0].size(); ++i) {
      const size_t c = i % channels_;
      const double scale = in[1][c] / of.deviation[c];
      g[0][i].add(scale * static_cast<double>(data.dy[i]));
      add_mean(-scale / n, g[2][c], g[0][i]);
      add_mean(-scale / n * normalised(in[0][i], of, c), g[1][c], g[0][i]);
    }
    return g;
  }

  bool differentiable() const override { return spec_.activation == Activation::none; }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make_batchnorm(device, spec_, options);
    scratch_.prepare(device, op_->scratch_bytes(), options.teams);
  }

  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const OnDevice x(*device_, data.inputs[0]), weight(*device_, data.inputs[1]), bias(*device_, data.inputs[2]);
    const OnDevice y(*device_, sized(data.dy.size())), dy(*device_, data.dy), dx(*device_, before);
    const OnDevice dweight(*device_, sized(channels_)), dbias(*device_, sized(channels_));
    const OnDevice mean(*device_, sized(channels_)), variance(*device_, sized(channels_));
    const BatchStatistics statistics{mean.data(), variance.data()};
    const OpContext context = scratch_.context(team);
    op_->forward_training(context, x.data(), weight.data(), bias.data(), y.data(), statistics);
    op_->backward(context, x.data(), dy.data(), weight.data(), statistics, dx.data(), write, dweight.data(),
                  dbias.data());
    return {.y = y.values(), .gradients = {dx.values(), dweight.values(), dbias.values()}};
  }

 private:
  struct Channels {
    Doubles mean, deviation;
  };

  Channels channels(const Doubles& x) const {
    Channels of{Doubles(channels_), Doubles(channels_)};
    const double n = static_cast<double>(rows_);
    for (size_t i = 0; i < x.size(); ++i) of.mean[i % channels_] += x[i] / n;
    for (size_t i = 0; i < x.size(); ++i) of.deviation[i % channels_] += std::pow(x[i] - of.mean[i % channels_], 2) / n;
    for (double& d : of.deviation) d = std::sqrt(d + static_cast<double>(spec_.epsilon));
    return of;
  }
  /// A mean may be near 0, but is rounded like its terms.
  static void add_mean(double factor, const Sum& sum, Sum& to) {
    to.value += factor * sum.value;
    to.magnitude += std::abs(factor) * sum.magnitude;
    ++to.terms;
  }
  static double normalised(double x, const Channels& of, size_t c) { return (x - of.mean[c]) / of.deviation[c]; }

  const BatchNormSpec spec_;
  const size_t channels_, rows_;
  Device* device_ = nullptr;
  std::unique_ptr<BatchNorm> op_;
  Scratch scratch_;
};

}  // namespace

std::unique_ptr<TestedOp> make_tested(const BatchNormSpec& spec, int64_t batch) {
  return std::make_unique<TestedBatchNorm>(spec, batch);
}

std::vector<OpCase> batchnorm_cases() {
  const auto relu = Activation::relu;
  return {
      {"batchnorm_one_number", 1, BatchNormSpec{}},
      {"batchnorm_one_row", 1, BatchNormSpec{.channels = 19}},
      {"batchnorm_one_channel", 9, BatchNormSpec{.pixels = 77}},
      {"batchnorm_colour", 5, BatchNormSpec{.pixels = 13 * 11, .channels = 3, .epsilon = 0.1f}},
      {"batchnorm_flat", 64, BatchNormSpec{.channels = 100}},
      {"batchnorm_odd", 7, BatchNormSpec{.pixels = 5, .channels = 37}},
      {"batchnorm_relu", 3, BatchNormSpec{.pixels = 30, .channels = 20, .activation = relu}},
      {"batchnorm_64", 4, BatchNormSpec{.pixels = 121, .channels = 64}},
      {"batchnorm_wider_than_a_block", 6, BatchNormSpec{.channels = 1030, .activation = relu}},
      {"batchnorm_wide", 3, BatchNormSpec{.pixels = 7, .channels = 2048}},
      {"batchnorm_several_ranges", 5, BatchNormSpec{.pixels = 801, .channels = 23}},
  };
}

}  // namespace convoy::testing
