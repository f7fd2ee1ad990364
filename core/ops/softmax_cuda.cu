// Softmax and its logarithm on a GPU. In place where wanted: a thread reads and writes the same scores in every pass.
#include "core/ops/score_rows_cuda.hpp"
#include "core/ops/score_rules.hpp"
#include "core/ops/softmax.hpp"

namespace convoy {
namespace {

struct Probabilities {
  int classes;
  const float* x;
  float* y;

  template <unsigned threads>
  __device__ void operator()(const cuda::RowThread<threads>& thread, int64_t n) const {
    const float* row = x + n * classes;
    float* out = y + n * classes;
    const float max = thread.top(classes, row).value;
    double sum = 0;
    thread.each(classes, [&](int k) { sum += exponential(row[k], max); });
    const double scale = 1 / thread.sum(sum);
    thread.each(classes, [&](int k) { out[k] = static_cast<float>(exponential(row[k], max) * scale); });
  }
};

struct Logarithms {
  int classes;
  const float* x;
  float* y;

  template <unsigned threads>
  __device__ void operator()(const cuda::RowThread<threads>& thread, int64_t n) const {
    const float* row = x + n * classes;
    float* out = y + n * classes;
    const cuda::Top top = thread.top(classes, row);
    double others = 0;
    thread.each(classes, [&](int k) {
      if (k != top.place) others += exponential(row[k], top.value);
    });
    const double log_sum = std::log1p(thread.sum(others)), max = static_cast<double>(top.value);
    // The difference from the largest first: it is exact, and the logarithm may be tiny beside the scores.
    thread.each(classes, [&](int k) { out[k] = static_cast<float>(static_cast<double>(row[k]) - max - log_sum); });
  }
};

struct Gradients {
  int classes;
  const float *y, *dy;
  float* dx;
  bool adds;

  template <unsigned threads>
  __device__ void operator()(const cuda::RowThread<threads>& thread, int64_t n) const {
    const int64_t at = n * classes;
    double dot = 0;
    thread.each(classes, [&](int k) { dot += static_cast<double>(dy[at + k]) * static_cast<double>(y[at + k]); });
    dot = thread.sum(dot);
    thread.each(classes, [&](int k) {
      const double gradient = static_cast<double>(y[at + k]) * (static_cast<double>(dy[at + k]) - dot);
      cuda::store(dx[at + k], static_cast<float>(gradient), adds);
    });
  }
};

class CudaSoftmax final : public Softmax {
 public:
  CudaSoftmax(const Device& device, const SoftmaxSpec& spec, const OpOptions& options)
      : stream_(cuda::stream_of(device)), classes_(static_cast<int>(spec.classes)), images_(options.batch) {}

  void forward(const OpContext&, const float* x, float* y) override {
    cuda::for_score_rows(stream_, images_, classes_, Probabilities{classes_, x, y});
  }
  void forward_log(const OpContext&, const float* x, float* y) override {
    cuda::for_score_rows(stream_, images_, classes_, Logarithms{classes_, x, y});
  }
  void backward(const OpContext&, const float* y, const float* dy, float* dx, Write write) override {
    cuda::for_score_rows(stream_, images_, classes_, Gradients{classes_, y, dy, dx, write == Write::accumulate});
  }

 private:
  cudaStream_t stream_;
  int classes_;
  int64_t images_;
};

}  // namespace

std::unique_ptr<Softmax> make_softmax_cuda(Device& device, const SoftmaxSpec& spec, const OpOptions& options) {
  return std::make_unique<CudaSoftmax>(device, spec, options);
}

}  // namespace convoy
