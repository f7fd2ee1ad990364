// The exchange of a training run between several workers: who talks to whom, where the arena lies, and the sink.
#pragma once

#include <optional>

#include "distributed/exchange_choice.hpp"
#include "launchers/options/train_options.hpp"
#include "launchers/run/model.hpp"
#include "launchers/run/worker.hpp"

namespace convoy {

class WorkerExchange {
 public:
  /// Collective. Throws Error(usage) for an exchange that exact=on cannot have.
  WorkerExchange(Worker& worker, const TrainOptions& options);

  /// Collective: settles what the options leave open. Choices by measurement are looked up in `tuning` first, and kept
  /// there; without one (exact=on) nothing is measured.
  void choose(size_t elements, Tuning* tuning);

  const Topology& topology() const { return groups_.topology; }
  /// Workers that are going to have weights in common.
  int sharers() const;

  /// Collective: makes the model's memory, shared where that is possible.
  void allocate(Model& model);
  /// Why memory is not shared although it was meant to be, or "".
  std::string problem() const { return fabric_ ? fabric_->problem() : ""; }
  /// Collective: the first worker's weights and optimizer state for all.
  void share_parameters(const ParameterArena& arena);

  std::unique_ptr<GradientSink> make_sink(const ParameterArena& arena, const Optimizer& optimizer, Progress& progress);

  /// "shared memory, buckets of 4.0 MiB".
  std::string describe() const;

 private:
  ExchangeOptions exchange_options() const;

  Worker& worker_;
  const TrainOptions& options_;
  CommunicatorOptions communicator_;
  WorkerGroups groups_;
  ExchangeChoice choice_;
  std::optional<Fabric> fabric_;
};

}  // namespace convoy
