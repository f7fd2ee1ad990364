#include "core/train/tree_sum.hpp"

#include <gtest/gtest.h>

#include "distributed/rank_order.hpp"
#include "tests/distributed/communicator_cases.hpp"

namespace convoy {
namespace {

std::vector<std::vector<float>> contributions_of(int ranks, size_t count) {
  std::vector<std::vector<float>> all;
  for (int r = 0; r < ranks; ++r) {
    all.emplace_back(count);
    for (size_t i = 0; i < count; ++i) all.back()[i] = contribution(r, i);
  }
  return all;
}

std::vector<const float*> pointers_to(const std::vector<std::vector<float>>& all) {
  std::vector<const float*> pointers;
  for (const auto& one : all) pointers.push_back(one.data());
  return pointers;
}

TEST(TreeSum, HasTheBitsOfCombiningNeighbours) {
  constexpr size_t count = 1500;  // more than two blocks
  for (int ranks = 1; ranks <= 17; ++ranks) {
    const auto all = contributions_of(ranks, count);
    std::vector<float> result(count);
    tree_sum(result, pointers_to(all));
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(result[i], expected_sum(ranks, i)) << ranks << " ranks, element " << i;
  }
}

TEST(TreeSum, MayReplaceAnyContribution) {
  constexpr size_t count = 700;
  for (const int ranks : {1, 2, 3, 5, 8}) {
    for (int place = 0; place < ranks; ++place) {
      auto all = contributions_of(ranks, count);
      const auto pointers = pointers_to(all);
      tree_sum(all[static_cast<size_t>(place)], pointers);
      for (size_t i = 0; i < count; ++i) {
        ASSERT_EQ(all[static_cast<size_t>(place)][i], expected_sum(ranks, i)) << ranks << " ranks into " << place;
      }
    }
  }
}

// Eight lanes on one worker, or summed by two, four or eight workers first: the same bits.
TEST(TreeSum, ContinuesTheTreeOfLanes) {
  constexpr size_t count = 600;
  const auto lanes = contributions_of(8, count);
  std::vector<float> whole(count);
  tree_sum(whole, pointers_to(lanes));
  for (const size_t workers : {2, 4, 8}) {
    const size_t share = lanes.size() / workers;
    std::vector<std::vector<float>> partial(workers, std::vector<float>(count));
    const auto pointers = pointers_to(lanes);
    for (size_t w = 0; w < workers; ++w) tree_sum(partial[w], std::span(pointers).subspan(w * share, share));
    std::vector<float> result(count);
    tree_sum(result, pointers_to(partial));
    EXPECT_EQ(result, whole) << workers << " workers";
  }
}

TEST(ReduceInRankOrder, GoesFromTheFirstRankToTheLast) {
  // ((1 + 1e16) - 1e16) + 1: the first one is lost, the last is not.
  const std::vector<double> all{1, 3, 1e16, 9, -1e16, 6, 1, 5};
  std::vector<double> result(2);
  reduce_in_rank_order(std::span(result), all.data(), 4, ReduceOp::sum);
  EXPECT_EQ(result, (std::vector<double>{1, 23}));
  reduce_in_rank_order(std::span(result), all.data(), 4, ReduceOp::max);
  EXPECT_EQ(result, (std::vector<double>{1e16, 9}));
  reduce_in_rank_order(std::span(result), all.data(), 4, ReduceOp::min);
  EXPECT_EQ(result, (std::vector<double>{-1e16, 3}));
}

}  // namespace
}  // namespace convoy
