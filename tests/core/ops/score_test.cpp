#include "core/ops/score.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/core/ops/draws.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy {
namespace {

using testing::OnDevice;
using Numbers = std::vector<float>;
using Labels = std::vector<int32_t>;

class ScoreTest : public testing::DeviceTest {
 protected:
  /// Of one image.
  double correct(const Numbers& scores, int32_t label) {
    const auto op = make_score(*device_, {.classes = static_cast<int64_t>(scores.size())}, {});
    const OnDevice prediction(*device_, scores);
    const OnDevice labels(*device_, Labels{label});
    const OnDevice totals(*device_, std::vector<ScoreTotals>{{NAN, NAN}});
    op->forward({}, nullptr, prediction.data(), labels.data(), totals.data(), Write::overwrite);
    EXPECT_EQ(totals.values()[0].loss, 0);
    return totals.values()[0].correct;
  }
};

/// For few classes, and for so many that threads share a row in another way.
Numbers with_neighbours(const Numbers& scores, size_t more) {
  Numbers out = scores;
  out.resize(scores.size() + more, -INFINITY);
  return out;
}

TEST_F(ScoreTest, TheFirstHighestScoreCounts) {
  for (const size_t more : {0, 40, 1000, 21838}) {
    SCOPED_TRACE(more);
    for (int32_t place = 0; place < 3; ++place) {
      Numbers x{1, 1, 1};
      x[static_cast<size_t>(place)] = 1.5f;
      for (int32_t label = 0; label < 3; ++label) {
        EXPECT_EQ(correct(with_neighbours(x, more), label), label == place ? 1 : 0) << place << ", " << label;
      }
    }
    const Numbers tie = with_neighbours({0, 7, 7}, more);
    EXPECT_EQ(correct(tie, 1), 1);
    EXPECT_EQ(correct(tie, 2), 0);
    EXPECT_EQ(correct(tie, -1), 0) << "an image without a label";
    Numbers last = with_neighbours({0, 7, 7}, more);
    last.back() = 8;
    EXPECT_EQ(correct(last, static_cast<int32_t>(last.size()) - 1), 1);
    if (more < 600) continue;
    // Threads or warps apart.
    last.back() = 0;
    last[300] = last[555] = 9;
    EXPECT_EQ(correct(last, 300), 1);
    EXPECT_EQ(correct(last, 555), 0);
  }
}

TEST_F(ScoreTest, ScoresThatAreNoNumbers) {
  for (const size_t more : {0, 1000}) {
    const Numbers first = with_neighbours({NAN, 2, 3}, more), later = with_neighbours({1, NAN, 3}, more);
    EXPECT_EQ(correct(first, 0), 1) << "nothing is higher than NaN";
    EXPECT_EQ(correct(first, 2), 0);
    EXPECT_EQ(correct(later, 2), 1) << "NaN is not higher than anything";
    EXPECT_EQ(correct(with_neighbours({-INFINITY, -INFINITY}, more), 0), 1);
    EXPECT_EQ(correct(with_neighbours({-INFINITY, INFINITY}, more), 1), 1);
    EXPECT_EQ(correct(Numbers(3 + more, NAN), 0), 1);
  }
}

TEST_F(ScoreTest, AddsUpWhatTheImagesHave) {
  for (const int64_t classes : {1, 10, 300}) {
    for (const int64_t images : {1, 255, 2113}) {
      const Numbers x = testing::uniform(1, 0, images * classes), losses = testing::uniform(1, 1, images);
      Labels labels;
      ScoreTotals expected;
      for (int64_t n = 0; n < images; ++n) {
        const float* row = &x[static_cast<size_t>(n * classes)];
        const int64_t top = std::max_element(row, row + classes) - row;
        labels.push_back(static_cast<int32_t>(n % 3 ? top : n % classes));
        expected.loss += static_cast<double>(losses[static_cast<size_t>(n)]);
        expected.correct += top == labels.back() ? 1 : 0;
      }
      const auto op = make_score(*device_, {.classes = classes}, {.batch = images});
      const OnDevice of_images(*device_, losses), prediction(*device_, x);
      const OnDevice of_labels(*device_, labels);
      const OnDevice totals(*device_, std::vector<ScoreTotals>{{NAN, NAN}});
      op->forward({}, of_images.data(), prediction.data(), of_labels.data(), totals.data(), Write::overwrite);
      const ScoreTotals once = totals.values()[0];
      // Sums of floats below 1 in double, in whatever order.
      EXPECT_NEAR(once.loss, expected.loss, 1e-12) << images;
      EXPECT_EQ(once.correct, expected.correct) << images << " images of " << classes << " classes";
      op->forward({}, of_images.data(), prediction.data(), of_labels.data(), totals.data(), Write::accumulate);
      EXPECT_NEAR(totals.values()[0].loss, 2 * expected.loss, 2e-12);
      EXPECT_EQ(totals.values()[0].correct, 2 * expected.correct);
      op->forward({}, nullptr, prediction.data(), of_labels.data(), totals.data(), Write::accumulate);
      EXPECT_NEAR(totals.values()[0].loss, 2 * expected.loss, 2e-12);
      EXPECT_EQ(totals.values()[0].correct, 3 * expected.correct);
    }
  }
}

#if !defined(CONVOY_TEST_CUDA)

/// What was logged of a run does not change.
TEST_F(ScoreTest, OnTheCpuLossesAreAddedInTheOrderOfTheImages) {
  const Numbers losses{1e16f, 1, 1, -1e16f}, x(4);
  const Labels labels(4);
  ScoreTotals totals{.loss = 1};
  const auto op = make_score(*device_, {}, {.batch = 4});
  op->forward({}, losses.data(), x.data(), labels.data(), &totals, Write::accumulate);
  double sum = 1;
  for (const float loss : losses) sum += static_cast<double>(loss);
  EXPECT_EQ(totals.loss, sum);
  EXPECT_NE(totals.loss, 3);
}

#endif

}  // namespace
}  // namespace convoy
