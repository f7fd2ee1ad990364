// Softmax: cases, and how they are run beside the oracle.
#include "tests/core/ops/draws.hpp"
#include "tests/core/ops/families.hpp"

namespace convoy::testing {
namespace {

class TestedSoftmax final : public TestedOp {
 public:
  TestedSoftmax(const SoftmaxSpec& spec, int64_t batch) : classes_(spec.classes), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    const int64_t n = batch_ * classes_;
    OpData out{.inputs = {uniform(seed, 0, n)}, .labels = {}, .dy = uniform(seed, 3, n)};
    for (float& x : out.inputs[0]) x *= 5;
    return out;
  }
  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    Sums y;
    for (int64_t n = 0; n < batch_; ++n) {
      for (const double p : softmax_row(&in[0][static_cast<size_t>(n * classes_)], classes_)) y.emplace_back().add(p);
    }
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g{Sums(in[0].size())};
    for (size_t at = 0; at < in[0].size(); at += static_cast<size_t>(classes_)) {
      const Doubles p = softmax_row(&in[0][at], classes_);
      for (size_t k = 0; k < p.size(); ++k) {
        for (size_t j = 0; j < p.size(); ++j) {
          g[0][at + k].add(static_cast<double>(data.dy[at + j]) * p[j] * ((j == k ? 1.0 : 0.0) - p[k]));
        }
      }
    }
    return g;
  }
  // The op differentiates its own output, which carries the rounding of one float.
  double term_error() const override { return 4; }

  void prepare(Device& device, const OpOptions& options) override {
    device_ = &device;
    op_ = make_softmax(device, {.classes = classes_}, options);
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const OnDevice x(*device_, data.inputs[0]), y(*device_, sized(data.dy.size())), dy(*device_, data.dy);
    const OnDevice dx(*device_, before);
    op_->forward({.team = team}, x.data(), y.data());
    op_->backward({.team = team}, y.data(), dy.data(), dx.data(), write);
    return {.y = y.values(), .gradients = {dx.values()}};
  }

 private:
  const int64_t classes_, batch_;
  Device* device_ = nullptr;
  std::unique_ptr<Softmax> op_;
};

}  // namespace

std::unique_ptr<TestedOp> make_tested(const SoftmaxSpec& spec, int64_t batch) {
  return std::make_unique<TestedSoftmax>(spec, batch);
}

std::vector<OpCase> softmax_cases() {
  return {
      {"softmax_one_class", 2, SoftmaxSpec{.classes = 1}},
      {"softmax_lenet", 64, SoftmaxSpec{.classes = 10}},
      {"softmax_odd", 7, SoftmaxSpec{.classes = 23}},
      {"softmax_imagenet", 5, SoftmaxSpec{.classes = 1000}},
  };
}

}  // namespace convoy::testing
