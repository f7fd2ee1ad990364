#include "core/train/step_totals.hpp"

#include <gtest/gtest.h>

#include <array>

namespace convoy {
namespace {

/// Three workers of two lanes each after their sum.
std::array<StepTotals, 3> summed(std::array<double, 3> seconds, int stopping = -1) {
  std::array<StepTotals, 3> workers{StepTotals(6, 0, 3, 0), StepTotals(6, 2, 3, 1), StepTotals(6, 4, 3, 2)};
  std::vector<double> sum(workers[0].values().size());
  for (int w = 0; w < 3; ++w) {
    const std::array<ScoreTotals, 2> lanes{ScoreTotals{.loss = 0.1 * w, .correct = 1}, ScoreTotals{.loss = 0.3}};
    workers[w].set(lanes, seconds[w], w == stopping);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += workers[w].values()[i];
  }
  for (StepTotals& worker : workers) std::ranges::copy(sum, worker.values().begin());
  return workers;
}

TEST(StepTotals, AreTheSameOnEveryWorker) {
  for (const StepTotals& worker : summed({0.1, 0.2, 0.3})) {
    EXPECT_EQ(worker.loss(), 0.0 + 0.3 + 0.1 + 0.3 + 0.2 + 0.3) << "in lane order";
    EXPECT_EQ(worker.correct(), 3);
    EXPECT_FALSE(worker.stop());
  }
  for (const StepTotals& worker : summed({0.1, 0.2, 0.3}, 1)) EXPECT_TRUE(worker.stop());
}

TEST(StepTotals, TellWhoCameLastAndHowLongTheOthersWaited) {
  const auto workers = summed({0.25, 1, 0.5});
  for (const StepTotals& worker : workers) EXPECT_EQ(worker.last_worker(), 1);
  EXPECT_EQ(workers[0].waited(), 0.75);
  EXPECT_EQ(workers[1].waited(), 0);
  EXPECT_EQ(workers[2].waited(), 0.5);
  EXPECT_EQ(summed({1, 0.5, 1})[1].last_worker(), 0) << "the lower rank of two";
}

}  // namespace
}  // namespace convoy
