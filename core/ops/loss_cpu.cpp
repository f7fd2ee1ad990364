// Losses on the CPU.
//
// A rule gives the loss of one row of scores and its gradient, in double; CpuLoss does what they have in common. NaN in
// any score makes the loss NaN, except that nll looks at the label's score only.
#include "core/ops/loss.hpp"
#include "core/ops/score_rows_cpu.hpp"

namespace convoy {
namespace {

struct SoftmaxRule {
  int64_t classes;
  double smoothing;
  explicit SoftmaxRule(const LossSpec& s) : classes(s.classes), smoothing(static_cast<double>(s.smoothing)) {}

  double loss(const float* x, int32_t label) const {
    const int64_t top = cpu::place_of_max(classes, x);
    const double max = static_cast<double>(x[top]);
    const double log_sum = cpu::log_of_sum(classes, x, top);
    // -log p_k = (max - x_k) + log_sum: neither is negative, here and in the sum, so that nothing cancels.
    const double of_label = max - static_cast<double>(x[label]) + log_sum;
    if (smoothing == 0) return of_label;
    double of_all = 0;
    for (int64_t k = 0; k < classes; ++k) of_all += max - static_cast<double>(x[k]) + log_sum;
    return (1 - smoothing) * of_label + smoothing * (of_all / static_cast<double>(classes));
  }

  template <typename Put>
  void gradient(const float* x, int32_t label, const Put& put) const {
    const float max = x[cpu::place_of_max(classes, x)];
    const double others = cpu::sum_of_exponentials(classes, x, max, label);
    const double share = 1 / (others + exponential(x[label], max));
    const double spread = smoothing / static_cast<double>(classes);
    for (int64_t k = 0; k < classes; ++k) {
      // p - 1 written as minus the other probabilities, which does not cancel.
      put(k, k == label ? smoothing - spread - others * share : exponential(x[k], max) * share - spread);
    }
  }
};

struct NllRule {
  int64_t classes;
  explicit NllRule(const LossSpec& s) : classes(s.classes) {}

  double loss(const float* x, int32_t label) const { return -static_cast<double>(x[label]); }

  template <typename Put>
  void gradient(const float*, int32_t label, const Put& put) const {
    for (int64_t k = 0; k < classes; ++k) put(k, k == label ? -1 : 0);
  }
};

struct HingeRule {
  int64_t classes;
  Hinge hinge;
  explicit HingeRule(const LossSpec& s) : classes(s.classes), hinge(s) {}

  double loss(const float* x, int32_t label) const {
    double sum = 0;
    for (int64_t k = 0; k < classes; ++k) sum += k == label ? 0 : hinge.term(hinge.violation(x[k], x[label]));
    return sum * hinge.scale;
  }

  template <typename Put>
  void gradient(const float* x, int32_t label, const Put& put) const {
    double sum = 0;
    for (int64_t k = 0; k < classes; ++k) {
      if (k == label) continue;
      const double slope = hinge.slope(hinge.violation(x[k], x[label]));
      sum += slope;
      put(k, slope);
    }
    put(label, -sum);
  }
};

struct MseRule {
  int64_t classes;
  Mse mse;
  explicit MseRule(const LossSpec& s) : classes(s.classes), mse(s) {}

  double loss(const float* x, int32_t label) const {
    double sum = 0;
    for (int64_t k = 0; k < classes; ++k) {
      const double difference = mse.difference(x[k], k, label);
      sum += difference * difference;
    }
    return sum / mse.classes;
  }

  template <typename Put>
  void gradient(const float* x, int32_t label, const Put& put) const {
    for (int64_t k = 0; k < classes; ++k) put(k, mse.slope(mse.difference(x[k], k, label)));
  }
};

template <typename Rule>
class CpuLoss final : public Loss {
 public:
  CpuLoss(const LossSpec& spec, const OpOptions& options)
      : rule_(spec), classes_(spec.classes), weights_(spec.class_weights), options_(options) {}

  void forward(const OpContext&, const float* x, const int32_t* labels, float* losses) override {
    cpu::for_score_rows(options_, classes_, [&](int64_t n) {
      const int32_t label = labels[n];
      losses[n] = label < 0 ? 0 : static_cast<float>(weight(label) * rule_.loss(x + n * classes_, label));
    });
  }

  void backward(const OpContext&, const float* x, const int32_t* labels, float scale, float* dx, Write write) override {
    cpu::for_score_rows(options_, classes_, [&](int64_t n) {
      const int32_t label = labels[n];
      float* out = dx + n * classes_;
      if (write == Write::overwrite) std::fill_n(out, classes_, 0.0f);
      if (label < 0) return;
      const double factor = static_cast<double>(scale) * weight(label);
      rule_.gradient(x + n * classes_, label,
                     [=](int64_t k, double gradient) { out[k] += static_cast<float>(factor * gradient); });
    });
  }

 private:
  double weight(int32_t label) const {
    return weights_.empty() ? 1 : static_cast<double>(weights_[static_cast<size_t>(label)]);
  }

  const Rule rule_;
  const int64_t classes_;
  const std::vector<float> weights_;
  const OpOptions options_;
};

}  // namespace

std::unique_ptr<Loss> make_loss_cpu(Device&, const LossSpec& spec, const OpOptions& options) {
  switch (spec.kind) {
    case LossSpec::Kind::nll: return std::make_unique<CpuLoss<NllRule>>(spec, options);
    case LossSpec::Kind::hinge: return std::make_unique<CpuLoss<HingeRule>>(spec, options);
    case LossSpec::Kind::mse: return std::make_unique<CpuLoss<MseRule>>(spec, options);
    case LossSpec::Kind::softmax: break;
  }
  return std::make_unique<CpuLoss<SoftmaxRule>>(spec, options);
}

}  // namespace convoy
