// A GPU at its limits, by the ops that networks are made of.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/random.hpp"
#include "core/base/timer.hpp"
#include "core/ops/activation.hpp"
#include "core/ops/gemm/gemm.hpp"
#include "launchers/run/machine_peak.hpp"

namespace convoy {

namespace {

constexpr double long_enough = 3e-3;      // seconds of a call, beside which starting it is nothing
constexpr double seconds_of_tries = 0.1;  // for the best of them
constexpr int most_tries = 10;

/// Numbers as a network has them: of zeros, products draw less power than of others, and a GPU runs faster.
DeviceBuffer filled(Device& device, int64_t count) {
  std::vector<float> values(static_cast<size_t>(std::min<int64_t>(count, 1 << 20)));
  const RandomStream random(1, RandomPurpose::test, 0);
  for (size_t i = 0; i < values.size(); ++i) values[i] = random.uniform(i) - 0.5f;
  const auto all = static_cast<size_t>(count);
  DeviceBuffer buffer(device, all * sizeof(float), "measuring");
  for (size_t at = 0; at < all; at += values.size()) {
    device.upload(buffer.data() + at * sizeof(float), values.data(), std::min(values.size(), all - at) * sizeof(float));
  }
  return buffer;
}

float* floats(const DeviceBuffer& buffer) {
  return reinterpret_cast<float*>(buffer.data());
}

/// Of two square matrices.
class Product {
 public:
  Product(Device& device, int64_t size, GemmCompute compute)
      : size_(size),
        gemm_(make_gemm(device, {.m = size, .n = size, .k = size, .compute = compute})),
        a_(filled(device, size * size)),
        b_(filled(device, size * size)),
        c_(device, a_.bytes(), "measuring"),
        workspace_(device, gemm_->workspace_bytes(), "measuring") {}
  static int64_t bytes(int64_t size) { return 3 * size * size * static_cast<int64_t>(sizeof(float)); }

  double flops() const { return 2 * std::pow(static_cast<double>(size_), 3); }
  void queue() const { gemm_->run(workspace_.data(), floats(a_), floats(b_), nullptr, floats(c_), Write::overwrite); }

 private:
  int64_t size_;
  std::unique_ptr<Gemm> gemm_;
  DeviceBuffer a_, b_, c_, workspace_;
};

/// Of one tensor to another.
class Copy {
 public:
  Copy(Device& device, int64_t count)
      : count_(count),
        relu_(make_activation(device, {.function = Activation::relu, .count = count}, {})),
        from_(filled(device, count)),
        to_(device, from_.bytes(), "measuring") {}
  static int64_t bytes(int64_t count) { return 2 * count * static_cast<int64_t>(sizeof(float)); }

  double bytes_moved() const { return static_cast<double>(bytes(count_)); }
  void queue() const { relu_->forward({}, floats(from_), floats(to_)); }

 private:
  int64_t count_;
  std::unique_ptr<ActivationOp> relu_;
  DeviceBuffer from_, to_;
};

template <typename Work>
double seconds_of(Device& device, const Work& work) {
  device.synchronize();
  const Timer timer;
  work.queue();
  device.synchronize();
  return timer.seconds();
}

/// Doubles the size until a call takes long enough, or would take more than its share of the memory; make(size) gives
/// one, `units` tells what it does. Units a second of the largest, by the shortest of a few calls.
template <typename Make, typename Work>
double best_rate(Device& device, int64_t size, Make make, double (Work::*units)() const) {
  const auto memory = static_cast<int64_t>(device.free_bytes() / 4);
  for (;; size *= 2) {
    const Work work = make(size);
    seconds_of(device, work);  // lets libraries load
    double best = seconds_of(device, work);
    if (best < long_enough && Work::bytes(2 * size) <= memory) continue;
    const Timer timer;
    for (int i = 1; i < most_tries && timer.seconds() < seconds_of_tries; ++i) {
      best = std::min(best, seconds_of(device, work));
    }
    return (work.*units)() / best;
  }
}

}  // namespace

MachinePeak measure_peak(Device& device, DType compute, int threads) {
  if (device.on_host()) return measure_peak(threads);
  const auto product = [&](int64_t size) { return Product(device, size, gemm_compute(compute)); };
  const auto copy = [&](int64_t count) { return Copy(device, count); };
  return {.flops = best_rate(device, 64, product, &Product::flops),
          .bytes_copied = best_rate(device, 1 << 16, copy, &Copy::bytes_moved),
          .gpu = true,
          .products = std::string(name_of(compute)) + " products"};
}

}  // namespace convoy
