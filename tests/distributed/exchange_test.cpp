#include "distributed/exchange.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "core/base/error.hpp"
#include "tests/distributed/communicator_cases.hpp"
#include "tests/distributed/ranks_as_threads.hpp"

namespace convoy {
namespace {

SegmentTable table_of(const std::vector<int64_t>& counts) {
  SegmentTable table;
  for (const int64_t count : counts) table.add({.name = concat("s", table.segments().size()), .shape = Shape({count})});
  return table;
}

// Small, large, and small again: some buckets hold several segments, some segments several buckets.
SegmentTable mixed_table() {
  return table_of({10, 500, 3, 20000, 64, 1, 4097});
}

class Storage {
 public:
  Storage(const SegmentTable& table, int slots)
      : bytes_(ParameterArena::bytes(table, slots)), data_(new (std::align_val_t{256}) std::byte[bytes_]()) {}
  ~Storage() { operator delete[](data_, std::align_val_t{256}); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  std::span<std::byte> bytes() const { return {data_, bytes_}; }

 private:
  size_t bytes_;
  std::byte* data_;
};

// State, rate and step all show in the weights.
class TestOptimizer : public Optimizer {
 public:
  std::vector<std::string> slots() const override { return {"v", "age"}; }
  using Optimizer::update;
  void update(const ParameterArena& arena, size_t begin, std::span<const float> gradients,
              const UpdateStep& step) const override {
    for (size_t i = begin; i < begin + gradients.size(); ++i) {
      arena.slot(0)[i] = 0.9f * arena.slot(0)[i] + gradients[i - begin];
      arena.slot(1)[i] += static_cast<float>(step.step + 1);
      arena.weights()[i] -= step.rate * arena.slot(0)[i] + 1e-3f * arena.slot(1)[i];
    }
  }
};

float gradient(int rank, int64_t step, size_t i) {
  return contribution(rank, i + 100003 * static_cast<size_t>(step));
}

/// Buckets may be too small for every rank to have a part of one.
bool has_slices(const SegmentTable& table, size_t bucket_bytes, const Communicator& communicator) {
  const std::vector<size_t> borders = bucket_borders(table, bucket_bytes);
  const auto rank = static_cast<size_t>(communicator.rank());
  for (size_t b = 1; b < borders.size(); ++b) {
    const Slices slices = Slices::even(borders[b - 1], borders[b], communicator.size());
    if (slices.borders[rank] < slices.borders[rank + 1]) return true;
  }
  return false;
}

// The sum of all ranks' gradients, and one update of everything.
void serial_step(const ParameterArena& arena, const Optimizer& optimizer, int ranks, int64_t step, float rate) {
  const size_t size = arena.table().size();
  for (size_t i = 0; i < size; ++i) arena.gradients()[i] = expected_sum(ranks, i + 100003 * static_cast<size_t>(step));
  optimizer.update(arena, 0, size, {.step = step, .rate = rate});
}

class ExchangeOverThreads : public testing::TestWithParam<std::tuple<int, size_t>> {};

TEST_P(ExchangeOverThreads, HasTheBitsOfASerialUpdate) {
  const auto [ranks, bucket_bytes] = GetParam();
  const SegmentTable table = mixed_table();
  const TestOptimizer optimizer;
  constexpr int64_t steps = 3;

  const Storage serial_storage(table, 2);
  const ParameterArena serial(table, 2, serial_storage.bytes());
  for (int64_t step = 0; step < steps; ++step) serial_step(serial, optimizer, ranks, step, 0.1f);

  run_ranks(ranks, [&, ranks = ranks, bucket_bytes = bucket_bytes](Communicator& communicator) {
    const Storage storage(table, 2);
    const ParameterArena arena(table, 2, storage.bytes());
    Progress progress;
    Exchange exchange(flat(communicator), arena, optimizer, {.bucket_bytes = bucket_bytes}, &progress);
    for (int64_t step = 0; step < steps; ++step) {
      exchange.begin(step, 0.1f);
      // Each rank announces its gradients in its own strides.
      const size_t stride = 100 + 777 * static_cast<size_t>(communicator.rank());
      for (size_t end = 0; end < table.size();) {
        const size_t begin = end;
        end = std::min(table.size(), end + stride);
        for (size_t i = begin; i < end; ++i) arena.gradients()[i] = gradient(communicator.rank(), step, i);
        exchange.ready(end);
      }
      // As the trainer fills them: slots of one rank alone come out as they went in.
      std::vector<double> totals(static_cast<size_t>(ranks) + 1, 0);
      totals[static_cast<size_t>(communicator.rank())] = 0.1 * (communicator.rank() + 1);
      totals.back() = 2;
      exchange.finish(totals);
      for (int r = 0; r < ranks; ++r) EXPECT_EQ(totals[static_cast<size_t>(r)], 0.1 * (r + 1));
      EXPECT_EQ(totals.back(), 2.0 * ranks);
      EXPECT_EQ(progress.step, step);
      EXPECT_EQ(progress.bucket, -1);
      EXPECT_GT(exchange.exchange_seconds(), 0);
      EXPECT_EQ(exchange.update_seconds() > 0, has_slices(table, bucket_bytes, communicator));
    }
    const auto same = [&](std::span<const float> a, std::span<const float> b) {
      return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
    };
    EXPECT_TRUE(same(arena.weights(), serial.weights()));
    EXPECT_EQ(same(arena.slot(0), serial.slot(0)), ranks == 1) << "state is kept in slices";
    exchange.gather_state();
    EXPECT_TRUE(same(arena.slot(0), serial.slot(0)));
    EXPECT_TRUE(same(arena.slot(1), serial.slot(1)));
  });
}

INSTANTIATE_TEST_SUITE_P(RanksAndBuckets, ExchangeOverThreads,
                         testing::Combine(testing::Values(1, 2, 3, 4, 8),
                                          testing::Values<size_t>(1, 4096, 30000, 1 << 20)));

TEST(Exchange, WorksForOneWorkerAlone) {
  const SegmentTable table = mixed_table();
  const TestOptimizer optimizer;
  const Storage serial_storage(table, 2), storage(table, 2);
  const ParameterArena serial(table, 2, serial_storage.bytes()), arena(table, 2, storage.bytes());
  serial_step(serial, optimizer, 1, 0, 0.5f);
  const auto solo = make_solo_communicator();
  Exchange exchange(flat(*solo), arena, optimizer, {.bucket_bytes = 4096});
  exchange.begin(0, 0.5f);
  for (size_t i = 0; i < table.size(); ++i) arena.gradients()[i] = gradient(0, 0, i);
  exchange.ready(table.size());
  exchange.finish({});
  EXPECT_EQ(std::memcmp(arena.weights().data(), serial.weights().data(), table.size() * sizeof(float)), 0);
}

TEST(Exchange, OfNoParametersHasNothingToDo) {
  const SegmentTable table;
  const TestOptimizer optimizer;
  run_ranks(2, [&](Communicator& communicator) {
    const ParameterArena arena(table, 2, {});
    Exchange exchange(flat(communicator), arena, optimizer, {});
    exchange.begin(0, 1);
    double total = 1;
    exchange.finish(std::span(&total, 1));
    EXPECT_EQ(total, 2);
    exchange.gather_state();
  });
}

// Counts updates, so that a test can wait for them.
class CountingOptimizer : public Optimizer {
 public:
  std::vector<std::string> slots() const override { return {}; }
  void update(const ParameterArena&, size_t begin, std::span<const float> gradients, const UpdateStep&) const override {
    const std::lock_guard lock(mutex_);
    elements_ += gradients.size();
    furthest_ = std::max(furthest_, begin + gradients.size());
    changed_.notify_all();
  }
  void wait_for(size_t elements) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return elements_ >= elements; });
  }
  size_t furthest() const {
    const std::lock_guard lock(mutex_);
    return furthest_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable size_t elements_ = 0, furthest_ = 0;
};

TEST(Exchange, StartsBelowTheWatermarkAndStaysThere) {
  const SegmentTable table = mixed_table();
  const CountingOptimizer optimizer;  // of both ranks
  const auto borders = bucket_borders(table, 4096);
  ASSERT_GT(borders.size(), 5u);
  run_ranks(2, [&](Communicator& communicator) {
    const Storage storage(table, 0);
    const ParameterArena arena(table, 0, storage.bytes());
    Exchange exchange(flat(communicator), arena, optimizer, {.bucket_bytes = 4096});
    exchange.begin(0, 1);
    // Backward is not over, and the first three buckets are exchanged all the same: the waits would hang otherwise.
    exchange.ready(borders[3] + 1);
    optimizer.wait_for(borders[3]);
    EXPECT_EQ(optimizer.furthest(), borders[3]);
    // Nobody goes on before both have looked.
    std::vector<double> totals{1};
    static std::atomic<int> looked{0};
    for (++looked; looked < 2;) std::this_thread::yield();
    exchange.ready(table.size());
    exchange.finish(totals);
    EXPECT_EQ(optimizer.furthest(), table.size());
  });
}

class FailingOptimizer : public TestOptimizer {
 public:
  explicit FailingOptimizer(int rank) : rank_(rank) {}
  void update(const ParameterArena& arena, size_t begin, std::span<const float> gradients,
              const UpdateStep& step) const override {
    if (rank_ == 1 && begin > 4096) fail(ExitCode::diverged, "made to fail");
    TestOptimizer::update(arena, begin, gradients, step);
  }

 private:
  int rank_;
};

TEST(Exchange, RethrowsAndEverybodyFails) {
  const SegmentTable table = mixed_table();
  std::map<int, std::string> messages;
  std::mutex mutex;
  run_ranks(3,
            [&](Communicator& communicator) {
              const Storage storage(table, 2);
              const ParameterArena arena(table, 2, storage.bytes());
              const FailingOptimizer optimizer(communicator.rank());
              Exchange exchange(flat(communicator), arena, optimizer, {.bucket_bytes = 4096});
              exchange.begin(0, 1);
              exchange.ready(table.size());
              try {
                exchange.finish({});
              } catch (const Error& error) {
                const std::lock_guard lock(mutex);
                messages[communicator.rank()] = error.what();
              }
              EXPECT_THROW(exchange.begin(1, 1), Error);
              EXPECT_THROW(exchange.gather_state(), Error);
            },
            {.timeout = std::chrono::milliseconds(200)});
  EXPECT_EQ(messages[1], "made to fail");
  EXPECT_THAT(messages[0], testing::HasSubstr("only 2 of 3 workers came within 0.2 s"));
  EXPECT_EQ(messages[2], messages[0]);
}

TEST(Exchange, CanBeLeftInTheMiddleOfAStep) {
  const SegmentTable table = mixed_table();
  const CountingOptimizer optimizer;
  run_ranks(2, [&](Communicator& communicator) {
    const Storage storage(table, 0);
    const ParameterArena arena(table, 0, storage.bytes());
    Exchange exchange(flat(communicator), arena, optimizer, {.bucket_bytes = 4096});
    exchange.begin(0, 1);
    exchange.ready(100);
  });
  EXPECT_EQ(optimizer.furthest(), 0u);
}

TEST(Exchange, FinishBeforeAllIsReadyIsADefect) {
  const SegmentTable table = mixed_table();
  const Storage storage(table, 2);
  const TestOptimizer optimizer;
  const auto solo = make_solo_communicator();
  Exchange exchange(flat(*solo), ParameterArena(table, 2, storage.bytes()), optimizer, {});
  exchange.begin(0, 1);
  exchange.ready(64);
  EXPECT_THROW(exchange.finish({}), Error);
}

TEST(BucketBorders, AreWholeSegmentsOrEqualParts) {
  EXPECT_EQ(bucket_borders(SegmentTable(), 1024), (std::vector<size_t>{0}));
  // 256 floats a bucket. Segments of 64, 128 and 64 elements make one, 640 two and a rest, 64 the last.
  const SegmentTable table = table_of({10, 100, 64, 640, 30});
  EXPECT_EQ(bucket_borders(table, 1024), (std::vector<size_t>{0, 256, 512, 896, 960}));
  EXPECT_EQ(bucket_borders(table, 1 << 20), (std::vector<size_t>{0, 960}));
  // Anything smaller than a 256-byte unit counts as one.
  EXPECT_EQ(bucket_borders(table, 0).size(), 960u / 64 + 1);
}

TEST(BucketBorders, HoldAtLeastWhatWasAsked) {
  const SegmentTable table = mixed_table();
  for (const size_t bytes : {1, 256, 1000, 4096, 70000, 1 << 20}) {
    const auto borders = bucket_borders(table, bytes);
    EXPECT_EQ(borders.front(), 0u);
    EXPECT_EQ(borders.back(), table.size());
    for (size_t b = 1; b < borders.size(); ++b) {
      EXPECT_EQ(borders[b - 1] % SegmentTable::alignment, 0u);
      EXPECT_LT(borders[b - 1], borders[b]);
      const bool last = b + 1 == borders.size();
      EXPECT_TRUE(last || (borders[b] - borders[b - 1]) * sizeof(float) >= bytes) << b;
    }
  }
}

}  // namespace
}  // namespace convoy
