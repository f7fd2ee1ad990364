#include "launchers/run/exchange_timing.hpp"

#include <algorithm>

#include "core/base/median.hpp"
#include "core/base/timer.hpp"
#include "core/device/device.hpp"
#include "distributed/fabric.hpp"
#include "distributed/mpi_reference.hpp"

namespace convoy {
namespace {

SegmentTable table_of(int64_t bytes) {
  SegmentTable table;
  table.add({.name = "all", .shape = Shape({bytes / static_cast<int64_t>(sizeof(float))})});
  return table;
}

/// One algorithm with an arena of its own.
class Contender {
 public:
  Contender(const std::string& name, Device& device, WorkerGroups& groups, const SegmentTable& table,
            const Optimizer& optimizer, const ExchangeTimingOptions& options)
      : optimizer_(optimizer), piece_bytes_(name == "mpi-pieces" ? static_cast<size_t>(options.piece_bytes) : 0) {
    const bool flat = name.starts_with("flat"), plain_mpi = name.starts_with("mpi");
    if (!plain_mpi) {
      fabric_ =
          std::make_unique<Fabric>(groups, flat ? ExchangeKind::flat : ExchangeKind::hierarchical,
                                   WindowSize{.common_bytes = ParameterArena::common_bytes(table, 1),
                                              .own_bytes = ParameterArena::gradient_bytes(table)},
                                   CommunicatorOptions{.timeout = std::chrono::duration<double>(options.timeout)});
    }
    if (fabric_ && fabric_->shares_memory()) {
      arena_.emplace(table, 1, fabric_->common(), fabric_->own());
    } else {
      storage_ = DeviceBuffer(device, ParameterArena::bytes(table, 1), "weights, momentum and gradients");
      arena_.emplace(table, 1, std::span(storage_.data(), storage_.bytes()));
    }
    if (plain_mpi) return;
    exchange_ = std::make_unique<Exchange>(fabric_->paths(), *arena_, optimizer,
                                           ExchangeOptions{.bucket_bytes = static_cast<size_t>(options.bucket_bytes),
                                                           .wire = name.ends_with("bf16") ? Wire::bf16 : Wire::fp32});
  }

  std::string problem() const { return fabric_ ? fabric_->problem() : ""; }

  void step() {
    if (exchange_) {
      exchange_->begin(0, 0.01f);
      exchange_->ready(arena_->table().size());
      exchange_->finish({});
      return;
    }
    mpi_all_reduce(arena_->gradients(), piece_bytes_);
    optimizer_.update(*arena_, 0, arena_->table().size(), {.step = 0, .rate = 0.01f});
  }

 private:
  const Optimizer& optimizer_;
  size_t piece_bytes_;
  std::unique_ptr<Fabric> fabric_;
  DeviceBuffer storage_;
  std::optional<ParameterArena> arena_;
  std::unique_ptr<Exchange> exchange_;
};

}  // namespace

AllreduceTiming time_exchange(Worker& worker, const ExchangeTimingOptions& options) {
  check_algorithms(worker, "exchange", options.algorithms);
  const std::unique_ptr<Device> device = make_cpu_device();
  const std::unique_ptr<Optimizer> optimizer = make_optimizer({.name = "momentum"});
  const SegmentTable table = table_of(options.bytes);
  WorkerGroups groups = worker.make_groups(options.ranks_per_node);
  AllreduceTiming timing{.workers = groups.topology.text(), .size = worker.size()};

  std::vector<std::string> names = options.algorithms.empty() ? allreduce_algorithms() : options.algorithms;
  if (options.algorithms.empty() && groups.topology.nodes() == 1) std::erase(names, "hierarchical-bf16");
  std::vector<std::unique_ptr<Contender>> contenders;
  for (const std::string& name : names) {
    contenders.push_back(std::make_unique<Contender>(name, *device, groups, table, *optimizer, options));
    if (timing.problem.empty()) timing.problem = contenders.back()->problem();
  }
  std::vector<std::vector<double>> seconds(names.size());
  for (int64_t round = 0; round <= options.rounds; ++round) {
    for (size_t i = 0; i < names.size(); ++i) {
      worker.control().barrier();
      const Timer timer;
      contenders[i]->step();
      double took = timer.seconds();
      worker.control().all_reduce(std::span(&took, 1), ReduceOp::max);
      if (round > 0) seconds[i].push_back(took);  // the first touches memory
    }
  }
  for (size_t i = 0; i < names.size(); ++i) {
    timing.rows.push_back({.algorithm = names[i], .bytes = options.bytes, .seconds = median(seconds[i])});
  }
  return timing;
}

}  // namespace convoy
