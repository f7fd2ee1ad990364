// tree_sum on the tested device against the CPU's, whose tree is tested in tests/distributed/tree_sum_test.cpp.
#include "core/train/tree_sum.hpp"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/tested_device.hpp"

namespace convoy::testing {
namespace {

using TreeSumOnDevice = DeviceTest;

/// Buffers whose sum depends on the order of the terms.
std::vector<std::vector<float>> made_up(size_t buffers, size_t count) {
  std::mt19937 random(static_cast<uint32_t>(buffers));
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> all(buffers, std::vector<float>(count));
  for (auto& one : all) {
    for (float& value : one) value = normal(random);
  }
  return all;
}

/// The sum of all from element `shift` on, into a buffer of its own or into one of them.
void expect_the_cpus_bits(Device& device, size_t buffers, size_t count, size_t shift, int into) {
  const auto all = made_up(buffers, count + shift);
  std::vector<OnDevice<float>> there;
  std::vector<const float*> here_at, there_at;
  for (const auto& one : all) {
    here_at.push_back(one.data() + shift);
    there_at.push_back(there.emplace_back(device, one).data() + shift);
  }
  std::vector<float> expected(count);
  tree_sum(expected, here_at);
  const OnDevice<float> apart(device, std::vector<float>(count + shift));
  const OnDevice<float>& result = into < 0 ? apart : there[static_cast<size_t>(into)];
  tree_sum(device, {result.data() + shift, count}, there_at);
  std::vector<float> values = result.values();
  values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(shift));
  EXPECT_EQ(values, expected) << buffers << " buffers of " << count << " from " << shift << " into " << into;
}

TEST_F(TreeSumOnDevice, HasTheCpusBits) {
  const auto device = make_tested_device();
  for (size_t buffers = 1; buffers <= 64; ++buffers) expect_the_cpus_bits(*device, buffers, 103, 0, -1);
  for (const size_t count : {1, 3, 4, 1024, 1027, 5001}) expect_the_cpus_bits(*device, 5, count, 0, -1);
  tree_sum(*device, {}, std::vector<const float*>(2));
}

TEST_F(TreeSumOnDevice, MayReplaceAContribution) {
  const auto device = make_tested_device();
  for (int into = 0; into < 11; ++into) expect_the_cpus_bits(*device, 11, 1027, 0, into);
}

TEST_F(TreeSumOnDevice, TakesMemoryThatIsNotAligned) {
  const auto device = make_tested_device();
  for (size_t shift = 1; shift < 4; ++shift) expect_the_cpus_bits(*device, 9, 1027, shift, 3);
}

}  // namespace
}  // namespace convoy::testing
