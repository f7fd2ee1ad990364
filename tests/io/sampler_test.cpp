// The order of samples: a bijection, well mixed, and a pure function of seed and position.
#include "io/sampler.hpp"

#include <array>
#include <cmath>
#include <map>
#include <vector>

#include "tests/io/io_testing.hpp"

namespace convoy {
namespace {

TEST(Permutation, IsABijection) {
  for (int64_t n : {1, 2, 3, 4, 5, 16, 17, 1000, 60000, 1281167}) {
    const Permutation permutation(n, 42, 3);
    std::vector<bool> seen(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
      const int64_t to = permutation(i);
      ASSERT_GE(to, 0);
      ASSERT_LT(to, n);
      ASSERT_FALSE(seen[static_cast<size_t>(to)]) << to << " twice, n = " << n;
      seen[static_cast<size_t>(to)] = true;
    }
  }
}

TEST(Permutation, IsTheSameEveryTime) {
  // Part of the promise that the same seed gives the same run: values as first released.
  const Permutation permutation(60000, 1, 0);
  std::vector<int64_t> first;
  for (int64_t i = 0; i < 5; ++i) first.push_back(permutation(i));
  EXPECT_THAT(first, testing::ElementsAre(20956, 9593, 46193, 54621, 35449));
}

int64_t agreeing(const Permutation& a, const Permutation& b, int64_t n) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) count += a(i) == b(i);
  return count;
}

TEST(Permutation, DiffersBetweenSeedsAndEpochs) {
  constexpr int64_t n = 60000;
  const Permutation permutation(n, 1, 0);
  // Two random permutations agree in 1 place on average, and in more than 10 with a probability of 1e-8.
  EXPECT_LE(agreeing(permutation, Permutation(n, 1, 1), n), 10);
  EXPECT_LE(agreeing(permutation, Permutation(n, 2, 0), n), 10);
  EXPECT_LE(agreeing(permutation, Permutation(n, uint64_t{1} << 40, 0), n), 10);
  EXPECT_LE(agreeing(permutation, Permutation(n, 1, uint64_t{1} << 40), n), 10);
  EXPECT_EQ(agreeing(permutation, Permutation(n, 1, 0), n), n);
}

/// Sum of (count - expected)^2 / expected.
template <typename Counts>
double chi_square(const Counts& counts, double expected) {
  double sum = 0;
  for (int64_t count : counts)
    sum += (static_cast<double>(count) - expected) * (static_cast<double>(count) - expected) / expected;
  return sum;
}

/// Chi-square of d degrees of freedom has mean d and deviation sqrt(2 d): within five of them.
void expect_random(double chi2, double degrees) {
  EXPECT_GT(chi2, degrees - 5 * std::sqrt(2 * degrees));
  EXPECT_LT(chi2, degrees + 5 * std::sqrt(2 * degrees));
}

TEST(Permutation, SpreadsEveryTenthOverAllTenths) {
  for (int64_t n : {1000, 60000, 1281167}) {
    const Permutation permutation(n, 5, 7);
    std::array<int64_t, 100> counts{};
    for (int64_t i = 0; i < n; ++i) ++counts[static_cast<size_t>(i * 10 / n * 10 + permutation(i) * 10 / n)];
    expect_random(chi_square(counts, static_cast<double>(n) / 100), 81);
  }
}

TEST(Permutation, HidesNeighbourhood) {
  constexpr int64_t n = 60000;
  const Permutation permutation(n, 5, 7);
  std::array<int64_t, 50> steps{};
  for (int64_t i = 0; i < n; ++i) {
    const int64_t step = (permutation((i + 1) % n) - permutation(i) + n) % n;
    ++steps[static_cast<size_t>(step * 50 / n)];
  }
  expect_random(chi_square(steps, n / 50.0), 49);
}

TEST(Permutation, HidesTheLowestBits) {
  constexpr int64_t n = 65536;
  const Permutation permutation(n, 9, 0);
  std::array<int64_t, 64> pairs{};
  for (int64_t i = 0; i < n; ++i) ++pairs[static_cast<size_t>((i & 7) << 3 | (permutation(i) & 7))];
  expect_random(chi_square(pairs, n / 64.0), 49);
}

TEST(Permutation, OfThreeTakesAllSixOrdersEquallyOften) {
  std::map<int64_t, int64_t> orders;
  constexpr int64_t epochs = 6000;
  for (uint64_t epoch = 0; epoch < epochs; ++epoch) {
    const Permutation permutation(3, 11, epoch);
    ++orders[permutation(0) * 9 + permutation(1) * 3 + permutation(2)];
  }
  ASSERT_EQ(orders.size(), 6u);
  std::vector<int64_t> counts;
  for (const auto& [order, count] : orders) counts.push_back(count);
  expect_random(chi_square(counts, epochs / 6.0), 5);
}

TEST(Sampler, TakesEverySampleOncePerEpoch) {
  const Sampler sampler(100, 3, Shuffle::on);
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<int> seen(100);
    for (int64_t i = 0; i < 100; ++i) ++seen[static_cast<size_t>(sampler.sample(epoch * 100 + i))];
    EXPECT_THAT(seen, testing::Each(1));
  }
  EXPECT_NE(sampler.sample(0) * 100 + sampler.sample(1), sampler.sample(100) * 100 + sampler.sample(101));
}

TEST(Sampler, WithoutShufflingKeepsFileOrder) {
  const Sampler sampler(100, 3, Shuffle::off);
  for (int64_t position = 0; position < 250; ++position) EXPECT_EQ(sampler.sample(position), position % 100);
}

TEST(Sampler, ReachesFarPositions) {
  const Sampler sampler(60000, 3, Shuffle::on);
  const int64_t far = int64_t{60000} * 1'000'000'007 + 59999;
  EXPECT_EQ(sampler.sample(far), Permutation(60000, 3, 1'000'000'007)(59999));
}

}  // namespace
}  // namespace convoy
