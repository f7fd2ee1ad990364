#include "tests/distributed/mpi/mpi_nodes.hpp"

#include <algorithm>

#include "distributed/hierarchical_comm.hpp"
#include "tests/distributed/case_tools.hpp"
#include "tests/distributed/exchange_run.hpp"
#include "tests/distributed/mpi/mpi_oracle.hpp"

namespace convoy {
namespace {

const CommunicatorOptions patient{.timeout = std::chrono::minutes(10)};

std::unique_ptr<SharedWindow> make_window(Communicator& node, const CommunicatorOptions& options) {
  std::string problem;
  auto window = SharedWindow::make(node, {}, options, problem);
  require(window != nullptr, problem);
  return window;
}

struct Kind {
  ExchangeKind kind;
  AcrossNodes across;
};

class OneExchange {
 public:
  OneExchange(MpiWorld& world, WorkerGroups& groups, const Kind& kind, const Optimizer& optimizer)
      : world_(world),
        groups_(groups),
        kind_(kind),
        optimizer_(optimizer),
        storage_(exchange_run::network(), optimizer),
        fabric_(groups, kind.kind,
                {.common_bytes = ParameterArena::common_bytes(storage_.table, storage_.arena.slots()),
                 .own_bytes = ParameterArena::gradient_bytes(storage_.table)},
                patient) {
    const bool shares = kind.kind == ExchangeKind::hierarchical && groups.node->size() > 1;
    require(fabric_.shares_memory() == shares, "memory is ", shares ? "not " : "", "shared: ", fabric_.problem());
  }

  ParameterArena run(size_t bucket_bytes, Wire wire) {
    const ParameterArena arena = fabric_.shares_memory() ? ParameterArena(storage_.table, storage_.arena.slots(),
                                                                          fabric_.common(), fabric_.own())
                                                         : storage_.arena;
    groups_.everybody->barrier();  // nobody reads the last run's weights any more
    if (!fabric_.shares_memory() || groups_.node->rank() == 0) {
      exchange_run::fill_weights(arena);
      for (int slot = 0; slot < arena.slots(); ++slot) std::ranges::fill(arena.slot(slot), 0.0f);
    }
    groups_.everybody->barrier();
    Exchange exchange(fabric_.paths(), arena, optimizer_,
                      {.bucket_bytes = bucket_bytes, .wire = wire, .across_nodes = kind_.across});
    exchange_run::train(exchange, arena, world_.rank(), world_.rank());
    return arena;
  }

 private:
  MpiWorld& world_;
  WorkerGroups& groups_;
  Kind kind_;
  const Optimizer& optimizer_;
  TestArena storage_;
  Fabric fabric_;
};

void check_bits(const ParameterArena& arena, const ParameterArena& expected, const std::string& what) {
  require(exchange_run::same(arena.weights(), expected.weights()), what, ": weights");
  for (int slot = 0; slot < arena.slots(); ++slot) {
    require(exchange_run::same(arena.slot(slot), expected.slot(slot)), what, ": slot ", slot);
  }
}

/// Where gradients are rounded to 2^-8 of each, and their sum once more, each step moves a weight by at most rate times
/// that too far; the largest rate of a segment is twice the run's. fp32's own rounding fits in the 2 %.
void check_near(const ParameterArena& arena, const ParameterArena& expected, int ranks, const std::string& what) {
  for (const Segment& segment : arena.table().segments()) {
    for (size_t i = segment.offset; i < segment.offset + segment.count; ++i) {
      double without_signs = 0;
      for (int64_t step = 0; step < exchange_run::steps; ++step) {
        for (int r = 0; r < ranks; ++r) {
          const size_t index = i + exchange_run::step_stride * static_cast<size_t>(step);
          without_signs += std::abs(static_cast<double>(contribution(r, index)));
        }
      }
      const double most = 2 * static_cast<double>(exchange_run::rate) * 2 * 1.02 * 0x1p-8 * without_signs;
      const double off = std::abs(static_cast<double>(arena.weights()[i]) - static_cast<double>(expected.weights()[i]));
      require(off <= most, what, ": weight ", i, " is ", arena.weights()[i], ", not about ", expected.weights()[i]);
    }
  }
}

void check_alike(Communicator& everybody, const ParameterArena& arena, const std::string& what) {
  std::vector<float> first(arena.weights().begin(), arena.weights().end());
  everybody.broadcast(std::as_writable_bytes(std::span(first)), 0);
  require(exchange_run::same(first, arena.weights()), what, ": other weights than the first worker's");
}

}  // namespace

std::unique_ptr<Communicator> make_hierarchy(WorkerGroups& groups, bool shared, const CommunicatorOptions& options) {
  auto inner = shared && groups.node->size() > 1 ? make_window(*groups.node, options)->make_communicator()
                                                 : std::move(groups.node);
  if (groups.topology.nodes() == 1) return inner;
  return std::make_unique<HierarchicalComm>(std::move(inner), std::move(groups.across));
}

void run_cases_of_nodes(MpiWorld& world, int ranks_per_node) {
  for (const bool shared : {false, true}) {
    WorkerGroups groups = make_groups(world, ranks_per_node);
    const bool one_node = groups.topology.nodes() == 1;
    const CaseSetting setting{.long_slice = 30011,
                              .groups = one_node ? std::vector<int>() : exchange_run::sizes_of(groups.topology),
                              .rounds = !one_node || !shared};
    const auto communicator = make_hierarchy(groups, shared, patient);
    require(communicator->rank() == world.rank(), "ranks are not those of the world");
    run_communicator_cases(*communicator, setting);
    compare_with_mpi(*communicator);
    groups.everybody->barrier();
  }
}

void run_exchanges_of_nodes(MpiWorld& world, int ranks_per_node) {
  constexpr Kind kinds[] = {{ExchangeKind::flat, AcrossNodes::copies},
                            {ExchangeKind::hierarchical, AcrossNodes::copies},
                            {ExchangeKind::hierarchical, AcrossNodes::parts}};
  WorkerGroups groups = make_groups(world, ranks_per_node);
  for (const char* name : {"momentum", "lars", "sgd"}) {
    const bool rounded = std::string(name) == "sgd";
    const auto optimizer = make_optimizer({.name = name});
    for (const Kind& kind : kinds) {
      const std::vector<int> sizes =
          kind.kind == ExchangeKind::flat ? std::vector{world.size()} : exchange_run::sizes_of(groups.topology);
      const auto expected = exchange_run::serial(sizes, *optimizer);
      OneExchange exchange(world, groups, kind, *optimizer);
      for (const size_t bucket_bytes : {1024, 20000, 1 << 20}) {
        const std::string what = concat(groups.topology.text(), ", ", name, ", kind ", static_cast<int>(kind.kind),
                                        ", parts ", kind.across == AcrossNodes::parts, ", buckets of ", bucket_bytes);
        const ParameterArena arena = exchange.run(bucket_bytes, rounded ? Wire::bf16 : Wire::fp32);
        if (rounded) {
          check_near(arena, expected->arena, world.size(), what);
        } else {
          check_bits(arena, expected->arena, what);
        }
        check_alike(*groups.everybody, arena, what);
        // Something must be rounded where something is sent.
        const bool sent = kind.kind == ExchangeKind::flat || groups.topology.nodes() > 1;
        const bool exact = exchange_run::same(arena.weights(), expected->arena.weights());
        require(exact == !(rounded && sent), what, exact ? ": nothing was rounded" : ": was rounded");
      }
      groups.everybody->barrier();
    }
  }
}

}  // namespace convoy
