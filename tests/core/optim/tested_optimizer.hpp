// An arena in the memory of the tested device and its copy in ordinary memory, on which a test works; and whole steps
// of an optimizer there.
#pragma once

#include "tests/core/optim/optim_testing.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy {

/// What a test sees is its own copy, until it asks for the device's.
struct TestedArena : TestArena {
  TestedArena(SegmentTable t, int slots)
      : TestArena(std::move(t), slots),
        device(testing::make_tested_device()),
        memory(*device, ParameterArena::bytes(table, slots), "a test"),
        on_device(table, slots, {memory.data(), memory.bytes()}) {}

  void to_device() const { device->upload(memory.data(), storage.get(), memory.bytes()); }
  void from_device() const { device->download(storage.get(), memory.data(), memory.bytes()); }

  std::unique_ptr<Device> device;
  DeviceBuffer memory;
  ParameterArena on_device;
};

struct TestedOptimizer : TestedArena {
  TestedOptimizer(SegmentTable t, const OptimizerOptions& options)
      : TestedArena(std::move(t), static_cast<int>(make_optimizer(options)->slots().size())),
        optimizer(make_optimizer(*device, table, options)) {}

  /// One step over the whole arena, in the ranges between `cuts`.
  void take_step(float rate, int64_t step, std::vector<size_t> cuts = {}) const {
    to_device();
    NormSums sums(*device, table, optimizer->norm_need());
    convoy::take_step(on_device, *optimizer, sums, {.step = step, .rate = rate}, std::move(cuts));
    from_device();
  }

  std::unique_ptr<Optimizer> optimizer;
};

}  // namespace convoy
