// Losses: cases, and how they are run beside the oracle.
#include "tests/core/ops/draws.hpp"
#include "tests/core/ops/families.hpp"

namespace convoy::testing {
namespace {

using Kind = LossSpec::Kind;

/// Gradients are defined for dy = the loss scale, the same for every image.
class TestedLoss final : public TestedOp {
 public:
  TestedLoss(const LossSpec& spec, int64_t batch)
      : spec_(spec), classes_(static_cast<size_t>(spec.classes)), batch_(static_cast<size_t>(batch)) {}

  OpData data(uint64_t seed) const override {
    const int64_t n = static_cast<int64_t>(batch_ * classes_);
    OpData out{.inputs = {spec_.kind == Kind::hinge ? distinct(seed, n) : uniform(seed, 0, n)}, .labels = {}, .dy = {}};
    const RandomStream random(seed, RandomPurpose::test, 4);
    const uint64_t labels = spec_.kind == Kind::mse && classes_ == 1 ? 9 : classes_;
    for (size_t i = 0; i < batch_; ++i) {
      out.labels.push_back(static_cast<int32_t>(random.block(i).word[0] % labels));
      if (i % 5 == 3) out.labels.back() = -1;
    }
    for (float& x : out.inputs[0]) x *= spec_.kind == Kind::hinge ? 1 : 8;
    // The margins of hinge are whole numbers of 1/64, and so are the scores: between two of these no kink is near.
    for (size_t i = 0; i < batch_ && spec_.kind == Kind::hinge; ++i) {
      if (out.labels[i] >= 0) out.inputs[0][i * classes_ + static_cast<size_t>(out.labels[i])] += 1.0f / 128;
    }
    out.dy.assign(batch_, 1.0f / 64);
    return out;
  }

  Sums output(const std::vector<Doubles>& in, const OpData& data) const override {
    Sums losses(batch_);
    for (size_t i = 0; i < batch_; ++i) {
      const int32_t label = data.labels[i];
      if (label >= 0) add_loss(&in[0][i * classes_], label, weight(label), losses[i]);
    }
    return losses;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g{Sums(in[0].size())};
    for (size_t i = 0; i < batch_; ++i) {
      const int32_t label = data.labels[i];
      const double scale = static_cast<double>(data.dy[i]);
      if (label >= 0) add_gradient(&in[0][i * classes_], label, scale * weight(label), &g[0][i * classes_]);
    }
    return g;
  }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make_loss(device, spec_, options);
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const OnDevice x(*device_, data.inputs[0]), losses(*device_, sized(batch_)), dx(*device_, before);
    const OnDevice labels(*device_, data.labels);
    op_->forward({.team = team}, x.data(), labels.data(), losses.data());
    op_->backward({.team = team}, x.data(), labels.data(), data.dy[0], dx.data(), write);
    return {.y = losses.values(), .gradients = {dx.values()}};
  }

 private:
  double weight(int32_t label) const {
    return spec_.class_weights.empty() ? 1 : static_cast<double>(spec_.class_weights[static_cast<size_t>(label)]);
  }
  double target(size_t k, int32_t label) const {
    if (classes_ == 1 && spec_.kind == Kind::mse) return label;
    return static_cast<int32_t>(k) == label ? 1 : 0;
  }
  double divisor() const { return spec_.kind == Kind::mse || spec_.mean ? static_cast<double>(classes_) : 1; }
  double violation(const double* x, int32_t label, size_t k) const {
    return target(k, label) > 0 ? 0 : std::max(0.0, x[k] - x[label] + static_cast<double>(spec_.margin));
  }

  void add_loss(const double* x, int32_t label, double w, Sum& loss) const {
    const double smoothing = static_cast<double>(spec_.smoothing);
    const Doubles p = spec_.kind == Kind::softmax ? softmax_row(x, spec_.classes) : Doubles();
    for (size_t k = 0; k < classes_; ++k) {
      const double t = target(k, label);
      if (spec_.kind == Kind::softmax) {
        const double q = (1 - smoothing) * t + smoothing / static_cast<double>(classes_);
        if (q > 0) loss.add(-w * q * std::log(p[k]));
      } else if (spec_.kind == Kind::nll) {
        if (t > 0) loss.add(-w * x[k]);
      } else if (spec_.kind == Kind::hinge) {
        loss.add(w * std::pow(violation(x, label, k), spec_.squared ? 2 : 1) / divisor());
      } else {
        loss.add(w * std::pow(x[k] - t, 2) / divisor());
      }
    }
  }

  void add_gradient(const double* x, int32_t label, double scale, Sum* g) const {
    const double smoothing = static_cast<double>(spec_.smoothing);
    const Doubles p = spec_.kind == Kind::softmax ? softmax_row(x, spec_.classes) : Doubles();
    for (size_t k = 0; k < classes_; ++k) {
      const double t = target(k, label);
      if (spec_.kind == Kind::softmax) {
        g[k].add(scale * (p[k] - t));
        if (smoothing > 0) g[k].add(scale * smoothing * (t - 1 / static_cast<double>(classes_)));
      } else if (spec_.kind == Kind::nll) {
        g[k].add(-scale * t);
      } else if (spec_.kind == Kind::mse) {
        g[k].add(scale * 2 * (x[k] - t) / divisor());
      } else if (const double z = violation(x, label, k); z > 0) {
        const double slope = scale * (spec_.squared ? 2 * z : 1) / divisor();
        g[k].add(slope);
        g[label].add(-slope);
      }
    }
  }

  const LossSpec spec_;
  const size_t classes_, batch_;
  Device* device_ = nullptr;
  std::unique_ptr<Loss> op_;
};

}  // namespace

std::unique_ptr<TestedOp> make_tested(const LossSpec& spec, int64_t batch) {
  return std::make_unique<TestedLoss>(spec, batch);
}

std::vector<OpCase> loss_cases() {
  const std::vector<float> weights{0.5f, 3, 1, 0, 0.1f, 2, 1, 1, 0.7f, 1.3f};
  return {
      {"loss_softmax_one_class", 2, LossSpec{}},
      {"loss_softmax_two_classes", 1, LossSpec{.classes = 2}},
      {"loss_softmax_lenet", 65, LossSpec{.classes = 10}},
      {"loss_softmax_imagenet", 5, LossSpec{.classes = 1000}},
      {"loss_softmax_imagenet_21k", 3, LossSpec{.classes = 21841}},
      {"loss_softmax_imagenet_smoothed", 3, LossSpec{.classes = 1000, .smoothing = 0.1f}},
      {"loss_softmax_many_images", 17000, LossSpec{.classes = 3}},
      {"loss_softmax_smoothed", 65, LossSpec{.classes = 10, .smoothing = 0.1f}},
      {"loss_softmax_weighted", 33, LossSpec{.classes = 10, .class_weights = weights, .smoothing = 0.3f}},
      {"loss_nll", 7, LossSpec{.kind = Kind::nll, .classes = 23}},
      {"loss_nll_weighted", 33, LossSpec{.kind = Kind::nll, .classes = 10, .class_weights = weights}},
      {"loss_hinge_one_class", 2, LossSpec{.kind = Kind::hinge}},
      {"loss_hinge", 65, LossSpec{.kind = Kind::hinge, .classes = 10}},
      {"loss_hinge_wide", 5, LossSpec{.kind = Kind::hinge, .classes = 1000, .margin = 10}},
      {"loss_hinge_squared_wide", 5, LossSpec{.kind = Kind::hinge, .classes = 257, .squared = true}},
      {"loss_hinge_squared", 7, LossSpec{.kind = Kind::hinge, .classes = 23, .squared = true}},
      {"loss_hinge_mean", 33,
       LossSpec{.kind = Kind::hinge, .classes = 10, .class_weights = weights, .margin = 0.25f, .mean = true}},
      {"loss_mse", 33, LossSpec{.kind = Kind::mse, .classes = 10}},
      {"loss_mse_wide", 5, LossSpec{.kind = Kind::mse, .classes = 300}},
      {"loss_nll_wide", 5, LossSpec{.kind = Kind::nll, .classes = 256}},
      {"loss_mse_one_score", 9, LossSpec{.kind = Kind::mse}},
      {"loss_mse_weighted", 33, LossSpec{.kind = Kind::mse, .classes = 10, .class_weights = weights}},
  };
}

}  // namespace convoy::testing
