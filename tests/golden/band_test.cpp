// A long run against the band that PyTorch's runs gave once (tests/golden/make). Not by CUDA on the CPU, which would
// take minutes.
#include <gtest/gtest.h>

#include "tests/golden/golden_run.hpp"

namespace convoy::golden {
namespace {

/// 2,000 steps on samples of their own: the mean loss of each 100 steps is within four deviations of what
/// PyTorch's runs had, and that of the last 1,000 too. A seed that no PyTorch run had is one more draw of the same.
TEST(Band, TwoThousandStepsStayInside) {
  if (const std::string reason = testing::tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
  const Json band = read_json("band.json");
  const int64_t window = band.at("window"), steps = band.at("steps");
  GoldenRun training(band, band.at("batch"), 1, 100, band.at("noisy_labels"));
  double late = 0;
  for (int64_t first = 0; first < steps; first += window) {
    double sum = 0;
    for (int64_t i = first; i < first + window; ++i) sum += training.step(i);
    const double mean = band.at("mean").at(first / window), deviation = band.at("deviation").at(first / window);
    EXPECT_NEAR(sum / static_cast<double>(window), mean, 4 * deviation) << "steps from " << first;
    if (first >= steps / 2) late += sum / static_cast<double>(steps / 2);
  }
  EXPECT_NEAR(late, band.at("late").at(0).get<double>(), 4 * band.at("late").at(1).get<double>());
}

}  // namespace
}  // namespace convoy::golden
