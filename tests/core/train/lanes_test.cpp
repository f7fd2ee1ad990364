#include "core/train/lanes.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/error.hpp"
#include "core/train/lane_tree.hpp"
#include "core/train/team_pool.hpp"
#include "tests/core/train/small_run.hpp"

namespace convoy {
namespace {

constexpr int64_t batch = 32;

std::vector<float> gradients_with(int lanes, int threads) {
  SmallRun run({.lanes = lanes, .threads = threads, .lane_batch = batch / lanes, .global_batch = batch},
               {.name = "sgd"});
  const SmallData data(batch);
  KeepingSink sink;
  std::vector<ScoreTotals> totals(static_cast<size_t>(lanes));
  run.lanes->run(data.batch(0, batch), sink, totals);
  return {run.arena.gradients().begin(), run.arena.gradients().end()};
}

TEST(Lanes, TheThreadsThatRunThemLeaveNoTrace) {
  const std::vector<float> one = gradients_with(8, 1);
  EXPECT_EQ(one, gradients_with(8, 2));
  EXPECT_EQ(one, gradients_with(8, 3));
  EXPECT_EQ(one, gradients_with(8, 8));
}

TEST(Lanes, AnyNumberGivesTheSameGradientUpToRounding) {
  const std::vector<float> whole = gradients_with(1, 1);
  for (const int lanes : {2, 4, 8, 32}) {
    const std::vector<float> split = gradients_with(lanes, 2);
    // Sums of 32 terms in another order, of magnitude below 1: a few ulp of 1 at most.
    for (size_t i = 0; i < whole.size(); ++i) ASSERT_NEAR(whole[i], split[i], 1e-6) << lanes << " lanes, element " << i;
  }
}

TEST(Lanes, TotalsAreOfTheLanesOwnImages) {
  SmallRun run({.lanes = 4, .threads = 2, .lane_batch = 8, .global_batch = batch}, {.name = "sgd"});
  const SmallData data(batch);
  KeepingSink sink;
  std::vector<ScoreTotals> totals(4);
  run.lanes->run(data.batch(0, batch), sink, totals);
  SmallRun single({.lane_batch = 8, .global_batch = batch}, {.name = "sgd"});
  for (int lane = 0; lane < 4; ++lane) {
    std::vector<ScoreTotals> own(1);
    single.lanes->run(data.batch(lane * 8, 8), sink, own);
    EXPECT_EQ(own[0].loss, totals[lane].loss);
    EXPECT_EQ(own[0].correct, totals[lane].correct);
  }
}

TEST(LaneTree, AnnouncesARangeOnceEveryLaneHasPassedIt) {
  std::vector<float> a(8, 1), b(8, 2);
  std::vector<size_t> announced;
  const auto device = make_cpu_device();
  LaneTree tree(*device, {a.data(), b.data()}, [&](size_t end) { announced.push_back(end); });
  tree.pass(0, 4);
  EXPECT_TRUE(announced.empty());
  tree.pass(0, 8);
  tree.pass(1, 4);
  EXPECT_EQ(announced, (std::vector<size_t>{4}));
  EXPECT_EQ(a[3], 3);
  EXPECT_EQ(a[4], 1);
  tree.pass(1, 8);
  EXPECT_EQ(announced, (std::vector<size_t>{4, 8}));
  EXPECT_EQ(a[7], 3);
}

TEST(TeamPool, CarriesExceptionsToTheCaller) {
  TeamPool pool(3, 1);
  EXPECT_THROW(pool.run([](int team) {
    if (team == 2) fail(ExitCode::data, "bad");
  }),
               Error);
  std::vector<int> seen(3, 0);
  pool.run([&](int team) { seen[team] = 1; });
  EXPECT_EQ(seen, (std::vector<int>{1, 1, 1}));
}

}  // namespace
}  // namespace convoy
