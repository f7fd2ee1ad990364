// Losses on a GPU: as on the CPU, a rule gives the loss of one row of scores and its gradient, in double.
#include "core/ops/loss.hpp"
#include "core/ops/score_rows_cuda.hpp"
#include "core/ops/score_rules.hpp"

namespace convoy {
namespace {

struct SoftmaxRule {
  int classes;
  double smoothing;
  explicit SoftmaxRule(const LossSpec& s)
      : classes(static_cast<int>(s.classes)), smoothing(static_cast<double>(s.smoothing)) {}

  template <unsigned threads>
  __device__ double loss(const cuda::RowThread<threads>& thread, const float* x, int32_t label) const {
    const cuda::Top top = thread.top(classes, x);
    const double max = static_cast<double>(top.value);
    double others = 0, below = 0;
    thread.each(classes, [&](int k) {
      // The largest term is 1 exactly: log1p of the others keeps a result near 0 exact.
      if (k != top.place) others += exponential(x[k], top.value);
      below += max - static_cast<double>(x[k]);
    });
    const double log_sum = std::log1p(thread.sum(others));
    // -log p_k = (max - x_k) + log_sum: neither is negative, here and in the sum, so that nothing cancels.
    const double of_label = max - static_cast<double>(x[label]) + log_sum;
    if (smoothing == 0) return of_label;
    return (1 - smoothing) * of_label + smoothing * (thread.sum(below) / classes + log_sum);
  }

  template <unsigned threads, typename Put>
  __device__ void gradient(const cuda::RowThread<threads>& thread, const float* x, int32_t label,
                           const Put& put) const {
    const float max = thread.top(classes, x).value;
    double others = 0;
    thread.each(classes, [&](int k) {
      if (k != label) others += exponential(x[k], max);
    });
    others = thread.sum(others);
    const double share = 1 / (others + exponential(x[label], max)), spread = smoothing / classes;
    thread.each(classes, [&](int k) {
      // p - 1 written as minus the other probabilities, which does not cancel.
      put(k, k == label ? smoothing - spread - others * share : exponential(x[k], max) * share - spread);
    });
  }
};

struct NllRule {
  int classes;
  explicit NllRule(const LossSpec& s) : classes(static_cast<int>(s.classes)) {}

  template <unsigned threads>
  __device__ double loss(const cuda::RowThread<threads>&, const float* x, int32_t label) const {
    return -static_cast<double>(x[label]);
  }

  template <unsigned threads, typename Put>
  __device__ void gradient(const cuda::RowThread<threads>& thread, const float*, int32_t label, const Put& put) const {
    thread.each(classes, [&](int k) { put(k, k == label ? -1 : 0); });
  }
};

struct HingeRule {
  int classes;
  Hinge hinge;
  explicit HingeRule(const LossSpec& s) : classes(static_cast<int>(s.classes)), hinge(s) {}

  template <unsigned threads>
  __device__ double loss(const cuda::RowThread<threads>& thread, const float* x, int32_t label) const {
    double sum = 0;
    thread.each(classes, [&](int k) { sum += k == label ? 0 : hinge.term(hinge.violation(x[k], x[label])); });
    return thread.sum(sum) * hinge.scale;
  }

  template <unsigned threads, typename Put>
  __device__ void gradient(const cuda::RowThread<threads>& thread, const float* x, int32_t label,
                           const Put& put) const {
    const auto slope = [&](int k) { return k == label ? 0 : hinge.slope(hinge.violation(x[k], x[label])); };
    double sum = 0;
    thread.each(classes, [&](int k) { sum += slope(k); });
    sum = thread.sum(sum);
    thread.each(classes, [&](int k) { put(k, k == label ? -sum : slope(k)); });
  }
};

struct MseRule {
  int classes;
  Mse mse;
  explicit MseRule(const LossSpec& s) : classes(static_cast<int>(s.classes)), mse(s) {}

  template <unsigned threads>
  __device__ double loss(const cuda::RowThread<threads>& thread, const float* x, int32_t label) const {
    double sum = 0;
    thread.each(classes, [&](int k) {
      const double difference = mse.difference(x[k], k, label);
      sum += difference * difference;
    });
    return thread.sum(sum) / mse.classes;
  }

  template <unsigned threads, typename Put>
  __device__ void gradient(const cuda::RowThread<threads>& thread, const float* x, int32_t label,
                           const Put& put) const {
    thread.each(classes, [&](int k) { put(k, mse.slope(mse.difference(x[k], k, label))); });
  }
};

/// Class weights, or null where all are 1.
__device__ double weight_of(const float* weights, int32_t label) {
  return weights ? static_cast<double>(weights[label]) : 1;
}

template <typename Rule>
struct Losses {
  Rule rule;
  const float *weights, *x;
  const int32_t* labels;
  float* losses;

  template <unsigned threads>
  __device__ void operator()(const cuda::RowThread<threads>& thread, int64_t n) const {
    const int32_t label = labels[n];
    const double loss = label < 0 ? 0 : weight_of(weights, label) * rule.loss(thread, x + n * rule.classes, label);
    if (thread.first()) losses[n] = static_cast<float>(loss);
  }
};

template <typename Rule>
struct Gradients {
  Rule rule;
  const float *weights, *x;
  const int32_t* labels;
  float scale;
  float* dx;
  bool adds;

  template <unsigned threads>
  __device__ void operator()(const cuda::RowThread<threads>& thread, int64_t n) const {
    const int32_t label = labels[n];
    float* out = dx + n * rule.classes;
    if (label < 0) {
      if (!adds) thread.each(rule.classes, [&](int k) { out[k] = 0; });
      return;
    }
    const double factor = static_cast<double>(scale) * weight_of(weights, label);
    rule.gradient(thread, x + n * rule.classes, label,
                  [&](int k, double gradient) { cuda::store(out[k], static_cast<float>(factor * gradient), adds); });
  }
};

template <typename Rule>
class CudaLoss final : public Loss {
 public:
  CudaLoss(Device& device, const LossSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)), rule_(spec), images_(options.batch) {
    if (spec.class_weights.empty()) return;
    const size_t bytes = spec.class_weights.size() * sizeof(float);
    weights_ = DeviceBuffer(device, bytes, "class weights");
    device.upload(weights_.data(), spec.class_weights.data(), bytes);
  }

  void forward(const OpContext&, const float* x, const int32_t* labels, float* losses) override {
    cuda::for_score_rows(stream_, images_, rule_.classes, Losses<Rule>{rule_, weights(), x, labels, losses});
  }

  void backward(const OpContext&, const float* x, const int32_t* labels, float scale, float* dx, Write write) override {
    const bool adds = write == Write::accumulate;
    cuda::for_score_rows(stream_, images_, rule_.classes,
                         Gradients<Rule>{rule_, weights(), x, labels, scale, dx, adds});
  }

 private:
  const float* weights() const { return reinterpret_cast<const float*>(weights_.data()); }

  cudaStream_t stream_;
  Rule rule_;
  int64_t images_;
  DeviceBuffer weights_;
};

}  // namespace

std::unique_ptr<Loss> make_loss_cuda(Device& device, const LossSpec& spec, const OpOptions& options) {
  switch (spec.kind) {
    case LossSpec::Kind::nll: return std::make_unique<CudaLoss<NllRule>>(device, spec, options);
    case LossSpec::Kind::hinge: return std::make_unique<CudaLoss<HingeRule>>(device, spec, options);
    case LossSpec::Kind::mse: return std::make_unique<CudaLoss<MseRule>>(device, spec, options);
    case LossSpec::Kind::softmax: break;
  }
  return std::make_unique<CudaLoss<SoftmaxRule>>(device, spec, options);
}

}  // namespace convoy
