// Relu on the CPU.
#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/elementwise_cpu.hpp"
#include "core/ops/relu.hpp"

namespace convoy {
namespace {

CONVOY_ISA_CLONES void mask_range(int64_t n, const float* y, const float* dy, float* dx) {
  for (int64_t i = 0; i < n; ++i) dx[i] = y[i] > 0 ? dy[i] : 0;
}

CONVOY_ISA_CLONES void add_masked_range(int64_t n, const float* y, const float* dy, float* dx) {
  for (int64_t i = 0; i < n; ++i) dx[i] += y[i] > 0 ? dy[i] : 0;
}

class CpuRelu final : public Relu {
 public:
  CpuRelu(const ReluSpec& spec, const OpOptions& options)
      : count_(spec.count * options.batch), threads_(options.threads) {}

  void forward(const OpContext&, const float* x, float* y) override {
    const TeamThreads threads(threads_);
    cpu::relu(count_, x, y);
  }

  void backward(const OpContext&, const float* y, const float* dy, float* dx, Write write) override {
    const TeamThreads threads(threads_);
    const auto range = write == Write::accumulate ? add_masked_range : mask_range;
    parallel_for(count_, cpu::elementwise_grain,
                 [&](int64_t begin, int64_t end) { range(end - begin, y + begin, dy + begin, dx + begin); });
  }

 private:
  int64_t count_;
  int threads_;
};

}  // namespace

std::unique_ptr<Relu> make_relu_cpu(Device&, const ReluSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuRelu>(spec, options);
}

}  // namespace convoy
