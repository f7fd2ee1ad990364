#include "core/base/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace convoy {
namespace {

using Ranges = std::vector<std::pair<int64_t, int64_t>>;

/// The ranges a loop was cut into, in order.
Ranges ranges(int threads, int64_t n, int64_t grain) {
  const TeamThreads team(threads);
  std::mutex mutex;
  Ranges out;
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    out.emplace_back(begin, end);
  });
  std::sort(out.begin(), out.end());
  return out;
}

TEST(ParallelFor, CoversEverythingOnce) {
  for (const int threads : {1, 2, 3, 7}) {
    for (const int64_t n : {1, 2, 5, 64, 1001}) {
      int64_t next = 0;
      for (const auto& [begin, end] : ranges(threads, n, 1)) {
        EXPECT_EQ(begin, next);
        EXPECT_LT(begin, end);
        next = end;
      }
      EXPECT_EQ(next, n) << threads << " threads";
    }
  }
}

TEST(ParallelFor, DoesNothingForNothing) {
  EXPECT_EQ(ranges(2, 0, 1), Ranges{});
}

TEST(ParallelFor, SplitsEvenlyAndAlwaysAlike) {
  const Ranges expected{{0, 33}, {33, 66}, {66, 100}};
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ranges(3, 100, 1), expected);
}

TEST(ParallelFor, KeepsRangesAboveTheGrain) {
  EXPECT_EQ(ranges(4, 100, 51).size(), 1u);
  EXPECT_EQ(ranges(4, 100, 50).size(), 2u);
  EXPECT_EQ(ranges(4, 100, 1000).size(), 1u);
}

TEST(ParallelFor, StaysOnTheCallingThreadInATeamOfOne) {
  const TeamThreads team(1);
  const auto caller = std::this_thread::get_id();
  int calls = 0;
  parallel_for(1000, 1, [&](int64_t, int64_t) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    ++calls;
  });
  EXPECT_EQ(calls, 1);
}

TEST(ParallelFor, DoesNotNest) {
  const TeamThreads team(2);
  std::atomic<int> inner = 0;
  parallel_for(2, 1, [&](int64_t, int64_t) {
    EXPECT_EQ(team_threads(), 1);
    const auto here = std::this_thread::get_id();
    parallel_for(100, 1, [&](int64_t begin, int64_t end) {
      EXPECT_EQ(std::this_thread::get_id(), here);
      inner += static_cast<int>(end - begin);
    });
  });
  EXPECT_EQ(inner, 200);
}

TEST(ParallelFor, TellsItsThreadsApart) {
  const TeamThreads team(3);
  std::vector<std::atomic<int>> seen(3);
  parallel_for(3, 1, [&](int64_t, int64_t) { ++seen[static_cast<size_t>(team_thread())]; });
  for (const auto& count : seen) EXPECT_EQ(count, 1);
}

TEST(TeamThreads, BelongToTheThreadAndArePutBack) {
  const int before = team_threads();
  {
    const TeamThreads team(before + 3);
    EXPECT_EQ(team_threads(), before + 3);
    std::thread([] {
      const TeamThreads other(1);
      EXPECT_EQ(team_threads(), 1);
    }).join();
    EXPECT_EQ(team_threads(), before + 3);
  }
  EXPECT_EQ(team_threads(), before);
}

}  // namespace
}  // namespace convoy
