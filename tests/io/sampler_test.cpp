// The order of samples: a bijection, well mixed, and a pure function of seed and position.
#include "io/sampler.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
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

// ImageNet's training images: every one exactly once an epoch, however many workers share the batches.
class SamplerOfManyWorkers : public testing::TestWithParam<Shuffle> {};

TEST_P(SamplerOfManyWorkers, TakesEverySampleOncePerEpoch) {
  constexpr int64_t n = 1281167;
  const Sampler sampler(n, 42, GetParam(), BlockShuffle::of(256 * 256 * 3));
  std::vector<int64_t> alone;  // by position
  for (int64_t position = n; position < 2 * n; ++position) alone.push_back(sampler.sample(position));
  std::vector<bool> seen(n);
  for (const int64_t sample : alone) {
    ASSERT_FALSE(seen[static_cast<size_t>(sample)]) << sample;
    seen[static_cast<size_t>(sample)] = true;
  }
  for (const int64_t workers : {3, 4, 7}) {
    // As the pipeline does: worker w has the w-th part of each batch, and batches run across the borders of epochs.
    constexpr int64_t share = 64;
    const int64_t batch = share * workers;
    std::vector<int64_t> count(n);
    for (int64_t worker = 0; worker < workers; ++worker) {
      const Sampler own(n, 42, GetParam(), BlockShuffle::of(256 * 256 * 3));
      for (int64_t step = n / batch; step * batch < 2 * n; ++step) {
        for (int64_t i = 0; i < share; ++i) {
          const int64_t position = step * batch + worker * share + i;
          if (position < n || position >= 2 * n) continue;
          const int64_t sample = own.sample(position);
          ++count[static_cast<size_t>(sample)];
          ASSERT_EQ(sample, alone[static_cast<size_t>(position - n)]);
        }
      }
    }
    EXPECT_EQ(std::count(count.begin(), count.end(), 1), n) << workers;
  }
}

INSTANTIATE_TEST_SUITE_P(, SamplerOfManyWorkers, testing::Values(Shuffle::on, Shuffle::blocks),
                         [](const auto& shuffle) { return shuffle.param == Shuffle::on ? "on" : "blocks"; });

TEST(BlockShuffle, IsABijectionOfAnySizes) {
  for (const int64_t n : {1, 2, 5, 100, 1001}) {
    for (const int64_t block : {1, 3, 7, 100, 2000}) {
      for (const int64_t window : {1, 2, 5, 1000}) {
        const Sampler sampler(n, 3, Shuffle::blocks, {.block = block, .window = window});
        for (int64_t epoch = 0; epoch < 3; ++epoch) {
          std::vector<int> seen(static_cast<size_t>(n));
          for (int64_t i = 0; i < n; ++i) ++seen[static_cast<size_t>(sampler.sample(epoch * n + i))];
          ASSERT_THAT(seen, testing::Each(1)) << n << ", " << block << ", " << window;
        }
      }
    }
  }
}

TEST(BlockShuffle, AWindowHoldsItsBlocksOnly) {
  constexpr int64_t n = 10000, block = 7, window = 20;  // 1,428 blocks and a rest of 4 samples
  const Sampler sampler(n, 3, Shuffle::blocks, {.block = block, .window = window});
  ASSERT_EQ(sampler.window_samples(), block * window);
  std::map<int64_t, int64_t> orders;
  for (int64_t begin = 0; begin < n; begin += block * window) {
    std::set<int64_t> blocks;
    for (int64_t i = begin; i < std::min(begin + block * window, n); ++i) blocks.insert(sampler.sample(i) / block);
    EXPECT_LE(blocks.size(), static_cast<size_t>(window) + 2);  // the rest moves the blocks after it
    orders[*blocks.begin()] = begin;
  }
  EXPECT_GT(orders.size(), 60u) << "blocks are in file order";
}

TEST(BlockShuffle, ABlockIsAskedForAWindowAheadOfItsSamples) {
  constexpr int64_t n = 1000, block = 7, window = 20;
  const Sampler sampler(n, 3, Shuffle::blocks, {.block = block, .window = window});
  std::map<int64_t, int64_t> asked;  // sample to the place where its block was asked for
  int64_t count = 0;
  for (int64_t place = 0; place < n; ++place) {
    const Sampler::Block found = sampler.block_at(place);
    count += found.count;
    for (int64_t i = 0; i < found.count; ++i) {
      EXPECT_EQ((found.begin + i) / block, found.number);
      asked[found.begin + i] = place;
    }
  }
  EXPECT_EQ(count, n);
  ASSERT_EQ(asked.size(), static_cast<size_t>(n));
  for (int64_t position = 0; position < n; ++position) {
    EXPECT_LT(asked.at(sampler.sample(position)), position + sampler.window_samples());
    EXPECT_GT(asked.at(sampler.sample(position)), position - sampler.window_samples() - block);
  }
}

TEST(BlockShuffle, MixesSortedClasses) {
  // What the comment of Sampler states, within 1 %: 152 classes in a batch of 256 samples.
  constexpr int64_t n = 1281167, batch = 256;
  const Sampler sampler(n, 1, Shuffle::blocks, BlockShuffle::of(256 * 256 * 3));
  double seen = 0, shift = 0;
  for (int64_t begin = 0; begin + batch <= n; begin += batch) {
    std::set<int64_t> classes;
    for (int64_t i = begin; i < begin + batch; ++i) {
      const int64_t sample = sampler.sample(i);
      classes.insert(sample * 1000 / n);
      shift += std::abs(static_cast<double>(sample - i)) / n;
    }
    seen += static_cast<double>(classes.size());
  }
  EXPECT_NEAR(seen / (n / batch), 152, 1.5);
  EXPECT_NEAR(shift / (n / batch * batch), 1.0 / 3, 0.01);
}

TEST(BlockShuffle, IsTheSameEveryTime) {
  // Part of the promise that the same seed gives the same run: values as first released.
  const Sampler sampler(1281167, 1, Shuffle::blocks, {.block = 21, .window = 256});
  std::vector<int64_t> first;
  for (int64_t i = 0; i < 5; ++i) first.push_back(sampler.sample(i));
  EXPECT_THAT(first, testing::ElementsAre(398282, 356112, 335373, 334116, 205022));
}

TEST(BlockShuffle, ChoosesBlocksByTheirBytes) {
  EXPECT_EQ(BlockShuffle::of(256 * 256 * 3).block, 21);
  EXPECT_EQ(BlockShuffle::of(100 << 20).block, 1);
  EXPECT_EQ(BlockShuffle::of(784, 100, 7).block, 100);
  EXPECT_EQ(BlockShuffle::of(784, 100, 7).window, 7);
}

}  // namespace
}  // namespace convoy
