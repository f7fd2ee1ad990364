// SharedWindow between threads, each of which maps the memory for itself: they see it at different addresses, as
// processes do. What takes processes is in shared_window_processes_test.cpp.
#include "distributed/shared_window.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <mutex>

#include "core/base/error.hpp"
#include "tests/distributed/case_tools.hpp"
#include "tests/distributed/node_groups.hpp"

namespace convoy {
namespace {

using testing::Each;
using testing::HasSubstr;

std::unique_ptr<SharedWindow> make_window(Communicator& node, const WindowSize& size) {
  std::string problem;
  auto window = SharedWindow::make(node, size, patient, problem);
  if (window == nullptr) throw std::logic_error(problem);
  return window;
}

bool all_are(std::span<const std::byte> data, int value) {
  return std::ranges::all_of(data, [&](std::byte each) { return each == static_cast<std::byte>(value); });
}

/// Mappings and open files of convoy's memory that this process holds.
size_t windows_held() {
  size_t count = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) count += line.find("memfd:convoy") != std::string::npos ? 1 : 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    count += std::filesystem::read_symlink(entry, gone).string().find("memfd:convoy") != std::string::npos ? 1 : 0;
  }
  return count;
}

class SharedWindowOfThreads : public testing::TestWithParam<WindowSize> {};

TEST_P(SharedWindowOfThreads, IsZeroAlignedAndSeenByAll) {
  const WindowSize size = GetParam();
  run_ranks(3, [&](Communicator& node) {
    const auto window = make_window(node, size);
    const auto common = window->common(), own = window->own();
    ASSERT_EQ(common.size(), size.common_bytes);
    ASSERT_EQ(own.size(), size.own_bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(common.data()) % 4096, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(own.data()) % 4096, 0u);
    EXPECT_TRUE(all_are(common, 0) && all_are(own, 0));

    // Where the parts of the others lie is the same from everywhere; they do not overlap.
    std::vector<int64_t> places(3, 0);
    places[static_cast<size_t>(node.rank())] = own.data() - common.data();
    node.all_reduce(std::span(places), ReduceOp::sum);
    std::ranges::fill(own, static_cast<std::byte>(node.rank() + 1));
    if (node.rank() == 1) std::ranges::fill(common, std::byte{77});
    node.barrier();
    EXPECT_TRUE(all_are(common, 77));
    for (int r = 0; r < 3; ++r) {
      EXPECT_TRUE(all_are({common.data() + places[static_cast<size_t>(r)], size.own_bytes}, r + 1)) << r;
    }
    node.barrier();
  });
  EXPECT_EQ(windows_held(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Sizes, SharedWindowOfThreads,
                         testing::Values(WindowSize{}, WindowSize{.common_bytes = 1}, WindowSize{.own_bytes = 1},
                                         WindowSize{.common_bytes = 4096, .own_bytes = 8192},
                                         WindowSize{.common_bytes = 5000, .own_bytes = 12345},
                                         WindowSize{.common_bytes = (2 << 20) + 1, .own_bytes = (4 << 20) - 1}),
                         [](const auto& test) {
                           return concat(test.param.common_bytes, "_and_", test.param.own_bytes);
                         });

TEST(SharedWindows, KeepNoFileOpenAndLiveAsLongAsTheirCommunicators) {
  run_ranks(2, [](Communicator& node) {
    auto window = make_window(node, {.common_bytes = 100});
    node.barrier();
    EXPECT_EQ(windows_held(), 2u) << "two mappings, no file";
    node.barrier();
    const auto communicator = window->make_communicator();
    window.reset();
    int64_t one = 1;
    communicator->all_reduce(std::span(&one, 1), ReduceOp::sum);
    EXPECT_EQ(one, 2);
  });
  EXPECT_EQ(windows_held(), 0u);
}

TEST(SharedWindows, OfImpossibleSizesAreRefusedAlike) {
  for (const WindowSize size : {WindowSize{.common_bytes = size_t{1} << 59}, WindowSize{.own_bytes = size_t{1} << 58},
                                WindowSize{.common_bytes = SIZE_MAX}, WindowSize{.own_bytes = SIZE_MAX / 3 + 1}}) {
    std::vector<std::string> problems(3);
    run_ranks(3, [&](Communicator& node) {
      EXPECT_EQ(SharedWindow::make(node, size, patient, problems[static_cast<size_t>(node.rank())]), nullptr);
    });
    EXPECT_THAT(problems[0], HasSubstr("worker 0 of the node: "));
    EXPECT_THAT(problems, Each(problems[0]));
    EXPECT_EQ(problems[0].find("Success"), std::string::npos) << problems[0];
    EXPECT_EQ(windows_held(), 0u);
  }
}

TEST(SharedWindows, HaveRoomForThreeCommunicators) {
  run_ranks(2, [](Communicator& node) {
    const auto window = make_window(node, {});
    std::vector<std::unique_ptr<Communicator>> all;
    for (int i = 0; i < SharedWindow::most_communicators; ++i) all.push_back(window->make_communicator());
    EXPECT_EQ(all[0]->describe(), "shared memory, 2 workers");
    EXPECT_THROW(window->make_communicator(), Error);
    // Each meets by itself: in another order on each rank they would wait for each other.
    std::vector<std::thread> threads;
    for (auto& each : all) {
      threads.emplace_back([&] {
        for (int i = 0; i < 3; ++i) run_communicator_cases(*each, {.long_slice = 10});
      });
      if (node.rank() == 1) std::this_thread::yield();
    }
    for (std::thread& thread : threads) thread.join();
  });
}

// Long enough for several parts of the bounce buffer (65536 floats), of which the last is not full.
constexpr size_t past_the_bounce = 150001;

enum class Place { outside, inside, some_inside };

class SharedWindowComm : public testing::TestWithParam<std::tuple<int, Place>> {};

TEST_P(SharedWindowComm, PassesAllCases) {
  const auto [ranks, place] = GetParam();
  CaseSetting setting{.long_slice = past_the_bounce / static_cast<size_t>(ranks)};
  const size_t floats = setting.long_slice * static_cast<size_t>(ranks) + 32;
  run_ranks(ranks, [&, place = place](Communicator& node) {
    const auto window = make_window(node, {.common_bytes = 1, .own_bytes = floats * sizeof(float)});
    const auto communicator = window->make_communicator();
    CaseSetting mine = setting;
    if (place == Place::inside || (place == Place::some_inside && node.rank() % 2 == 0)) {
      mine.memory = {reinterpret_cast<float*>(window->own().data()), floats};
    }
    run_communicator_cases(*communicator, mine);
  });
}

INSTANTIATE_TEST_SUITE_P(RanksAndPlaces, SharedWindowComm,
                         testing::Combine(testing::Values(1, 2, 3, 8),
                                          testing::Values(Place::outside, Place::inside, Place::some_inside)));

// What is in common is gathered where it lies, and only waited for.
TEST(SharedWindowInCommon, GathersAndBroadcastsAreMeetings) {
  constexpr size_t count = past_the_bounce;
  run_ranks(4, [](Communicator& node) {
    const auto window = make_window(node, {.common_bytes = count * sizeof(float)});
    const auto communicator = window->make_communicator();
    const std::span<float> common(reinterpret_cast<float*>(window->common().data()), count);
    const Slices slices = Slices::even(0, count, 4, 1);
    for (int round = 0; round < 5; ++round) {
      const auto value = [&](int rank, size_t i) { return contribution(rank + 10 * round, i); };
      const auto mine = slices.of(common, node.rank());
      for (float& x : mine) x = value(node.rank(), static_cast<size_t>(&x - common.data()));
      communicator->all_gather(common, slices, Wire::bf16);  // nothing is sent, nothing rounded
      for (int r = 0; r < 4; ++r) {
        for (const float& x : slices.of(common, r)) ASSERT_EQ(x, value(r, static_cast<size_t>(&x - common.data())));
      }
      communicator->barrier();
      // Summed where it lies as well: four times what is there, and all of it, when the call returns.
      for (float& x : mine) x = 1;
      communicator->barrier();
      communicator->all_reduce(common);
      ASSERT_TRUE(std::ranges::all_of(common, [](float x) { return x == 4; }));
      communicator->barrier();
      if (node.rank() == round % 4) std::ranges::fill(common, static_cast<float>(round));
      communicator->broadcast(std::as_writable_bytes(common), round % 4);
      EXPECT_THAT(common.first(100), Each(static_cast<float>(round)));
      EXPECT_THAT(common.last(100), Each(static_cast<float>(round)));
      communicator->barrier();
    }
  });
}

class SharedWindowsOfNodes : public testing::TestWithParam<std::vector<int>> {};

TEST_P(SharedWindowsOfNodes, PassesAllCases) {
  run_groups(Topology(machines_of(GetParam()), 0), [&](WorkerGroups& groups) {
    const CaseSetting setting{.long_slice = 20011, .groups = GetParam()};
    const size_t floats = setting.long_slice * static_cast<size_t>(groups.topology.ranks()) + 32;
    const auto window = make_window(*groups.node, {.own_bytes = floats * sizeof(float)});
    groups.node = window->make_communicator();
    const auto communicator = take_hierarchy(groups);
    run_communicator_cases(*communicator, setting);
    CaseSetting inside = setting;
    inside.memory = {reinterpret_cast<float*>(window->own().data()), floats};
    run_communicator_cases(*communicator, inside);
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, SharedWindowsOfNodes,
                         testing::Values(std::vector{2, 2}, std::vector{3, 1}, std::vector{5, 2, 1}),
                         [](const auto& test) { return name_of(test.param); });

}  // namespace
}  // namespace convoy
