// The exchange of several nodes: Fabric's paths over threads that are drawn on nodes, with the weights of a node in
// common memory, against one serial update.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "core/base/error.hpp"
#include "tests/distributed/exchange_run.hpp"
#include "tests/distributed/node_groups.hpp"

namespace convoy {
namespace {

using namespace exchange_run;

struct Kind {
  ExchangeKind kind;
  AcrossNodes across;
  bool shared;  // memory within nodes; else messages
};

constexpr Kind kinds[] = {{ExchangeKind::flat, AcrossNodes::copies, false},
                          {ExchangeKind::hierarchical, AcrossNodes::copies, true},
                          {ExchangeKind::hierarchical, AcrossNodes::parts, true},
                          {ExchangeKind::hierarchical, AcrossNodes::copies, false},
                          {ExchangeKind::hierarchical, AcrossNodes::parts, false}};

/// What a Fabric gives, and the same over messages where memory is not to be shared.
struct Rig {
  Rig(WorkerGroups& groups, const Kind& kind, const SegmentTable& table, int slots,
      const CommunicatorOptions& options = patient)
      : fabric(groups, kind.kind,
               kind.shared ? WindowSize{.common_bytes = ParameterArena::common_bytes(table, slots),
                                        .own_bytes = ParameterArena::gradient_bytes(table)}
                           : WindowSize{.common_bytes = SIZE_MAX},
               options),
        storage(table, slots) {
    if (kind.kind == ExchangeKind::hierarchical) {
      const bool several = groups.node->size() > 1;
      EXPECT_EQ(fabric.shares_memory(), kind.shared && several) << fabric.problem();
      const bool any_several = groups.topology.nodes() < groups.topology.ranks();
      EXPECT_EQ(fabric.problem().empty(), kind.shared || !any_several) << fabric.problem();
    }
  }
  ParameterArena arena() const {
    return fabric.shares_memory() ? ParameterArena(storage.table, storage.arena.slots(), fabric.common(), fabric.own())
                                  : storage.arena;
  }

  Fabric fabric;
  TestArena storage;
};

class ExchangeOfNodes : public testing::TestWithParam<std::tuple<std::vector<int>, std::string>> {
 protected:
  Topology topology_{std::get<0>(GetParam()), 0};
  std::unique_ptr<Optimizer> optimizer_ = make_optimizer({.name = std::get<1>(GetParam()),
                                                          .clip_norm = std::get<1>(GetParam()) == "momentum" ? 0 : 5.0,
                                                          .weight_decay = 0.01f});
  int slots_ = static_cast<int>(optimizer_->slots().size());

  /// Trains, and hands each worker's arena to `check` while all are there.
  void run(const Kind& kind, size_t bucket_bytes, Wire wire,
           const std::function<void(const ParameterArena&, WorkerGroups&)>& check) const {
    run_groups(topology_, [&](WorkerGroups& groups) {
      const int rank = groups.everybody->rank();
      // Flat sums go by the rank of the world, others node by node.
      const int place = kind.kind == ExchangeKind::flat ? rank : place_of(topology_, rank);
      const SegmentTable table = network();
      const Rig rig(groups, kind, table, slots_);
      const ParameterArena arena = rig.arena();
      if (!rig.fabric.shares_memory() || groups.node->rank() == 0) fill_weights(arena);
      groups.everybody->barrier();
      Exchange exchange(rig.fabric.paths(), arena, *optimizer_,
                        {.bucket_bytes = bucket_bytes, .wire = wire, .across_nodes = kind.across});
      train(exchange, arena, rank, place);
      check(arena, groups);
      groups.everybody->barrier();
    });
  }
};

TEST_P(ExchangeOfNodes, HasTheBitsOfASerialUpdateInItsOrder) {
  const auto by_nodes = serial(sizes_of(topology_), *optimizer_), by_ranks = serial({topology_.ranks()}, *optimizer_);
  for (const Kind& kind : kinds) {
    const TestArena& expected = kind.kind == ExchangeKind::flat ? *by_ranks : *by_nodes;
    for (const size_t bucket_bytes : {1024, 20000}) {
      run(kind, bucket_bytes, Wire::fp32, [&](const ParameterArena& arena, WorkerGroups&) {
        const auto what = concat("kind ", static_cast<int>(kind.kind), ", parts ", kind.across == AcrossNodes::parts,
                                 ", shared ", kind.shared, ", buckets of ", bucket_bytes);
        EXPECT_TRUE(same(arena.weights(), expected.arena.weights())) << what;
        for (int slot = 0; slot < slots_; ++slot) {
          EXPECT_TRUE(same(arena.slot(slot), expected.arena.slot(slot))) << what << ", slot " << slot;
        }
      });
    }
  }
}

// Threads send nothing, and round nothing; what is shown here is that bf16 changes nothing where memory is in sight,
// and that all workers keep the same weights.
TEST_P(ExchangeOfNodes, InSightRoundsNothing) {
  const auto by_nodes = serial(sizes_of(topology_), *optimizer_);
  for (const Kind& kind : kinds) {
    if (kind.kind == ExchangeKind::flat) continue;
    run(kind, 4096, Wire::bf16, [&](const ParameterArena& arena, WorkerGroups&) {
      EXPECT_TRUE(same(arena.weights(), by_nodes->arena.weights()));
    });
  }
}

INSTANTIATE_TEST_SUITE_P(NodesAndOptimizers, ExchangeOfNodes,
                         testing::Combine(testing::Values(machines_of({4}), machines_of({1, 1}), machines_of({2, 2}),
                                                          machines_of({3, 1}), machines_of({1, 2}),
                                                          machines_of({1, 1, 1, 1}), machines_of({4, 4}),
                                                          machines_of({5, 2, 1}), std::vector{0, 1, 1, 0, 0}),
                                          testing::Values("momentum", "lars")));

// With parts, what is kept of the state before gather_state() is this worker's part of its column's slice.
TEST(ExchangeOfNodesState, InPartsIsUpdatedOncePerRun) {
  class Counting : public Optimizer {
   public:
    std::vector<std::string> slots() const override { return {}; }
    void update(const ParameterArena&, size_t, std::span<const float> gradients, const UpdateStep&) const override {
      elements += gradients.size();
    }
    mutable std::atomic<size_t> elements{0};
  };
  for (const AcrossNodes across : {AcrossNodes::copies, AcrossNodes::parts}) {
    const Counting optimizer;
    run_groups(Topology(machines_of({3, 2}), 0), [&](WorkerGroups& groups) {
      const SegmentTable table = network();
      const Rig rig(groups, {ExchangeKind::hierarchical, across, true}, table, 0);
      Exchange exchange(rig.fabric.paths(), rig.arena(), optimizer, {.bucket_bytes = 4096, .across_nodes = across});
      exchange.begin(0, 1);
      exchange.ready(table.size());
      exchange.finish({});
    });
    EXPECT_EQ(optimizer.elements, network().size() * (across == AcrossNodes::copies ? 2 : 1));
  }
}

// A worker in any place that fails in mid-step: all fail with a reason at the deadline, and none hangs.
TEST(ExchangeOfNodesFailure, OneWorkersErrorEndsEverybodysStep) {
  class Failing : public Optimizer {
   public:
    std::vector<std::string> slots() const override { return {}; }
    void update(const ParameterArena&, size_t begin, std::span<const float> gradients,
                const UpdateStep&) const override {
      if (begin > 2000 && !gradients.empty()) fail(ExitCode::diverged, "made to fail");
    }
  };
  constexpr CommunicatorOptions impatient{.timeout = std::chrono::milliseconds(200)};
  for (const Kind& kind : kinds) {
    for (const int victim : {0, 3}) {
      const auto optimizer = make_optimizer({.name = "sgd"});
      const Failing failing;
      std::atomic<int> ended{0};
      const auto errors = errors_of_groups(
          Topology(machines_of({2, 2}), 0),
          [&](WorkerGroups& groups) {
            const SegmentTable table = network();
            const Rig rig(groups, kind, table, 0, impatient);
            const int rank = groups.everybody->rank();
            Exchange exchange(rig.fabric.paths(), rig.arena(),
                              rank == victim ? static_cast<const Optimizer&>(failing) : *optimizer,
                              {.bucket_bytes = 1024, .across_nodes = kind.across});
            exchange.begin(0, 1);
            exchange.ready(table.size());
            try {
              exchange.finish({});
            } catch (const Error&) {
              // Memory that others may still read stays until all have failed.
              for (++ended; ended < 4;) std::this_thread::yield();
              throw;
            }
          },
          impatient);
      for (const auto& error : errors) EXPECT_NE(error, nullptr);
      try {
        std::rethrow_exception(errors[static_cast<size_t>(victim)]);
      } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "made to fail");
      }
    }
  }
}

}  // namespace
}  // namespace convoy
