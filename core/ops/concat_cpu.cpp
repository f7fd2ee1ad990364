// Concatenation along the channels on the CPU: runs of channels copied pixel by pixel.
#include <algorithm>

#include "core/base/parallel.hpp"
#include "core/ops/concat.hpp"
#include "core/ops/elementwise_cpu.hpp"

namespace convoy {
namespace {

class CpuConcat final : public Concat {
 public:
  CpuConcat(const ConcatSpec& spec, const OpOptions& options)
      : channels_(spec.channels), pixels_(spec.pixels * options.batch), threads_(options.threads) {
    for (const int64_t channels : channels_) {
      first_.push_back(all_);
      all_ += channels;
    }
  }

  void forward(const OpContext&, std::span<const float* const> x, float* y) override {
    const TeamThreads threads(threads_);
    parallel_for(pixels_, cpu::elementwise_grain / all_ + 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        float* out = y + p * all_;
        for (size_t i = 0; i < x.size(); ++i) out = std::copy_n(x[i] + p * channels_[i], channels_[i], out);
      }
    });
  }

  void backward(const OpContext&, const float* dy, size_t input, float* dx, Write write) override {
    const TeamThreads threads(threads_);
    const int64_t channels = channels_[input];
    const float* share = dy + first_[input];
    parallel_for(pixels_, cpu::elementwise_grain / channels + 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const float* from = share + p * all_;
        float* to = dx + p * channels;
        if (write == Write::accumulate) {
          for (int64_t c = 0; c < channels; ++c) to[c] += from[c];
        } else {
          std::copy_n(from, channels, to);
        }
      }
    });
  }

 private:
  const std::vector<int64_t> channels_;
  std::vector<int64_t> first_;  // channel of y of each input
  int64_t all_ = 0;             // channels of y
  const int64_t pixels_;        // of the whole batch
  const int threads_;
};

}  // namespace

std::unique_ptr<Concat> make_concat_cpu(Device&, const ConcatSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuConcat>(spec, options);
}

}  // namespace convoy
