// A network made ready to run on one worker: its ops first, its memory when asked for.
//
// Between the constructor and allocate() nothing large is held, so that the plan can be told before it is tried.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/train/lanes.hpp"
#include "distributed/communicator.hpp"
#include "io/picture_source.hpp"

namespace convoy {

/// What a worker is going to allocate.
struct MemoryPlan {
  struct Part {
    std::string name;
    size_t bytes = 0;
    int sharers = 1;  // workers that have it in common
  };
  std::vector<Part> parts;
  /// Of one worker; of what it shares, its part.
  size_t total() const;
  /// "30.1 MiB: parameters 1.6 MiB shared by 2, gradients 1.6 MiB, ..."
  std::string text() const;
};

struct ModelOptions {
  enum class Purpose { training, inference };
  Purpose purpose = Purpose::training;
  PixelsSpec pixels{};
  LaneOptions lanes{};
  std::vector<std::string> slot_names{};  // the optimizer's state, none at inference
  uint64_t seed = 1;                      // of dropout
  DType compute = DType::f32;             // see OpOptions
  Tuning* tuning = nullptr;               // likewise
};

/// Memory of the host that a model shall lie in, and with whom it shares it; empty: memory of its own.
struct ModelMemory {
  std::span<std::byte> common{};     // common_bytes(): weights, optimizer state, packed weights of the CPU
  std::span<std::byte> gradients{};  // gradient_bytes()
  PackingTeam team{};                // the workers that have `common` in common
};

/// On a GPU there are two arenas: device_arena(), which ops and updates work on, and arena(), the host's, which files
/// are read into and written from. Where memory is given, weights are exchanged and updated there, and the GPU has no
/// optimizer state.
class Model {
 public:
  Model(Graph graph, Device& device, const ModelOptions& options);

  /// Of the host. `sharers` workers have weights, packed ones too, and optimizer state in common.
  MemoryPlan plan(int sharers = 1) const;
  /// Of a device with memory of its own, where it is to hold the optimizer's state or not.
  MemoryPlan device_plan(bool state) const;
  /// Makes arenas and lanes; weights are zero. Throws Error(out_of_memory).
  void allocate(const ModelMemory& memory = {});
  size_t common_bytes() const { return arena_common_bytes() + (device_.on_host() ? net_.packed_bytes() : 0); }
  size_t gradient_bytes() const { return ParameterArena::gradient_bytes(net_.segments()); }
  /// To be called once arena() holds the weights and state; collective where several workers share them.
  void weights_changed();
  /// Brings weights and state from the device into arena().
  void fetch() const;

  Net& net() { return net_; }
  Device& device() { return device_; }
  const ParameterArena& arena() const { return *arena_; }
  const ParameterArena& device_arena() const { return device_.on_host() ? *arena_ : *device_arena_; }
  Lanes& lanes() { return *lanes_; }
  const std::vector<std::string>& slot_names() const { return slot_names_; }

 private:
  size_t arena_common_bytes() const {
    return ParameterArena::common_bytes(net_.segments(), static_cast<int>(slot_names_.size()));
  }
  size_t device_common_bytes() const { return ParameterArena::common_bytes(net_.segments(), device_arena_->slots()); }
  void add_lanes(MemoryPlan& plan) const;

  Device& device_;
  Net net_;
  LaneOptions lane_options_;
  std::vector<std::string> slot_names_;
  const std::unique_ptr<Device> host_ = make_cpu_device();
  DeviceBuffer host_storage_, device_storage_;
  std::span<std::byte> packed_;
  PackingTeam team_;
  std::optional<ParameterArena> arena_, device_arena_;
  std::optional<Lanes> lanes_;
};

/// Collective: the weights, and the optimizer's state, of rank 0 on every worker.
void broadcast_parameters(const ParameterArena& arena, Communicator& communicator);

/// Throws Error(usage) unless images and labels of the dataset fit the network, the images by way of `chain`.
void check_data_fits(const Graph& graph, const Dataset& data, const Augmentation& chain, const std::string& chain_key);

}  // namespace convoy
