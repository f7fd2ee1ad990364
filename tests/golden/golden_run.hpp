// Training a network of this folder on made-up samples, as tests/golden/make does in PyTorch: on the tested device.
#pragma once

#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/optim/optimizer.hpp"
#include "core/train/lanes.hpp"
#include "core/train/local_sink.hpp"
#include "tests/golden/values.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy::golden {

using Json = nlohmann::json;

/// A file of this folder: of the source tree, or in a bundle of what CONVOY_BUNDLE names.
inline std::string path_of(const std::string& name) {
  const char* bundle = std::getenv("CONVOY_BUNDLE");
  return (bundle ? bundle : CONVOY_SOURCE_DIR) + ("/tests/golden/" + name);
}

inline Json read_json(const std::string& name) {
  std::ifstream file(path_of(name));
  return Json::parse(file);
}

/// The options that a recipe with these keys gives.
inline OptimizerOptions options_of(const Json& run) {
  OptimizerOptions o;
  o.name = run.at("optimizer");
  o.momentum = run.value("momentum", o.momentum);
  o.beta1 = run.value("beta1", o.beta1);
  o.beta2 = run.value("beta2", o.beta2);
  o.decay_rate = run.value("decay-rate", o.decay_rate);
  o.epsilon = run.value("epsilon", o.epsilon);
  o.trust = run.value("trust", o.trust);
  o.clip_norm = run.value("clip-norm", o.clip_norm);
  o.weight_decay = run.value("weight-decay", o.weight_decay);
  o.l1 = run.value("l1", o.l1);
  return o;
}

class GoldenRun {
 public:
  static constexpr int64_t classes = 5;

  /// `run`: keys of a recipe, net without its folder and ending. One lane, so that batch norm sees the whole batch.
  GoldenRun(const Json& run, int64_t batch, int threads, uint64_t seed = 0, uint32_t noisy_labels = 0)
      : rate_(run.at("learning-rate")),
        batch_(batch),
        seed_(seed),
        noisy_(noisy_labels),
        device_(testing::make_tested_device()),
        net_(build_graph(read_network(path_of(run.at("net").get<std::string>() + ".net"))), *device_,
             {.op = {.batch = batch, .threads = threads},
              .pixels = {.dtype = DType::u8, .mean = {128, 128, 128, 128}, .scale = std::vector<float>(4, 1.0f / 64)}}),
        optimizer_(make_optimizer(*device_, net_.segments(), options_of(run))),
        storage_(*device_, ParameterArena::bytes(net_.segments(), slots()), "parameters"),
        arena_(net_.segments(), slots(), {storage_.data(), storage_.bytes()}),
        sink_(*device_, arena_, *optimizer_) {
    const auto cpu = make_cpu_device();
    const DeviceBuffer memory(*cpu, ParameterArena::bytes(net_.segments(), 0), "parameters");
    const ParameterArena on_host(net_.segments(), 0, {memory.data(), memory.bytes()});
    initialise_weights(on_host, 1);  // what `initialise` leaves alone: running averages
    initialise(on_host);
    device_->upload(arena_.weights().data(), on_host.weights().data(), arena_.weights().size_bytes());
    net_.bind(arena_.weights(), *device_);
    lanes_ = std::make_unique<Lanes>(net_, arena_, *device_,
                                     LaneOptions{.threads = threads, .lane_batch = batch, .global_batch = batch});
  }

  /// Takes step number `step` (from 0); returns the loss of its batch before the update.
  double step(int64_t step) {
    const Samples data = samples_of(step);
    const Batch batch{
        .images = {.data = data.pixels.data(), .shape = net_.graph().input().batched(batch_), .dtype = DType::u8},
        .labels = data.labels,
        .position = step * batch_};
    std::vector<ScoreTotals> totals(1);
    sink_.begin(step, static_cast<float>(rate_));
    if (++steps_ == 3) {  // two steps op by op
      EXPECT_EQ(lanes_->record(sink_), "");
    }
    lanes_->run(batch, sink_, totals);
    std::vector<double> sums;
    sink_.finish(sums);
    net_.refresh_weights();
    return totals[0].loss / static_cast<double>(batch_);
  }

  /// The mean loss, in inference, of the batch that step number `step` would see.
  double evaluate(int64_t step) {
    const Samples data = samples_of(step);
    double sum = 0;
    lanes_->evaluate(
        1, [&](int64_t, int) { return NetBatch{.pixels = data.pixels.data(), .labels = data.labels.data()}; },
        [&](int, ConstView, const float* losses) {
          for (int64_t i = 0; i < batch_; ++i) sum += static_cast<double>(losses[i]);
        });
    return sum / static_cast<double>(batch_);
  }

 private:
  int slots() const { return static_cast<int>(optimizer_->slots().size()); }
  Samples samples_of(int64_t step) const {
    return samples(net_.graph().input(), classes, step * batch_, batch_, seed_, noisy_);
  }

  double rate_;
  int64_t batch_;
  uint64_t seed_;
  uint32_t noisy_;
  int64_t steps_ = 0;  // taken
  std::unique_ptr<Device> device_;
  Net net_;
  std::unique_ptr<Optimizer> optimizer_;
  DeviceBuffer storage_;
  ParameterArena arena_;
  LocalSink sink_;
  std::unique_ptr<Lanes> lanes_;
};

}  // namespace convoy::golden
