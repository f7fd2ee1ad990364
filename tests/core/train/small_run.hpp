// A small network with everything a worker needs to train it, on made-up images whose class can be learnt.
#pragma once

#include <memory>
#include <vector>

#include "core/base/random.hpp"
#include "core/optim/optimizer.hpp"
#include "core/train/lanes.hpp"
#include "core/train/local_sink.hpp"

namespace convoy {

inline constexpr const char* small_network =
    "input 9x9x2\nconv K=4 F=3\nrelu\nmaxpool F=2 S=2 fit=floor\nconv K=5 F=2\nmaxpool F=2 S=1\nfc K=12\nrelu\nfc "
    "K=3\nloss softmax\n";
inline constexpr int64_t small_image = 9 * 9 * 2;

/// Images are noise with a bright row that tells the class.
struct SmallData {
  explicit SmallData(int64_t count, uint64_t seed = 1) : pixels(count * small_image), labels(count) {
    const RandomStream random(seed, RandomPurpose::test, 0);
    for (int64_t n = 0; n < count; ++n) {
      labels[n] = static_cast<int32_t>(random.block(1'000'000 + n).word[0] % 3);
      for (int64_t i = 0; i < small_image; ++i) {
        const bool bright = i / 18 == 2 + 2 * labels[n];
        pixels[n * small_image + i] = random.uniform(n * small_image + i) + (bright ? 0.5f : 0.0f);
      }
    }
  }
  Batch batch(int64_t first, int64_t count) const {
    return {.images = {.data = pixels.data() + first * small_image, .shape = {count, 9, 9, 2}, .dtype = DType::f32},
            .labels = std::span(labels).subspan(first, count),
            .position = first};
  }
  std::vector<float> pixels;
  std::vector<int32_t> labels;
};

struct SmallRun {
  SmallRun(const LaneOptions& options, const OptimizerOptions& optimizer_options, const char* text = small_network,
           std::unique_ptr<Device> where = make_cpu_device())
      : device(std::move(where)),
        net(build_graph(parse_network(text, "small.net")), *device,
            {.op = {.batch = options.lane_batch, .teams = options.teams(), .threads = options.threads_per_team()},
             .pixels = {.dtype = DType::f32, .mean = {0.5f, 0.5f}, .scale = {1, 1}}}),
        optimizer(make_optimizer(*device, net.segments(), optimizer_options)),
        storage(*device, ParameterArena::bytes(net.segments(), slots()), "parameters"),
        arena(net.segments(), slots(), {storage.data(), storage.bytes()}) {
    const auto host = make_cpu_device();
    const DeviceBuffer initial(*host, ParameterArena::bytes(net.segments(), 0), "parameters");
    const ParameterArena on_host(net.segments(), 0, {initial.data(), initial.bytes()});
    initialise_weights(on_host, 42);
    device->upload(arena.weights().data(), on_host.weights().data(), arena.weights().size_bytes());
    net.bind(arena.weights(), *device);
    lanes = std::make_unique<Lanes>(net, arena, *device, options);
    sink = std::make_unique<LocalSink>(*device, arena, *optimizer);
  }
  int slots() const { return static_cast<int>(optimizer->slots().size()); }

  std::unique_ptr<Device> device;
  Net net;
  std::unique_ptr<Optimizer> optimizer;
  DeviceBuffer storage;
  ParameterArena arena;
  std::unique_ptr<Lanes> lanes;
  std::unique_ptr<LocalSink> sink;
};

/// Keeps the gradients: announces nothing to nobody.
class KeepingSink : public GradientSink {
 public:
  void begin(int64_t, float) override { ends.clear(); }
  void ready(size_t end) override { ends.push_back(end); }
  void finish(std::span<double>) override {}
  double exchange_seconds() const override { return 0; }
  double update_seconds() const override { return 0; }
  void gather_state() override {}
  std::vector<size_t> ends;
};

}  // namespace convoy
