#include "distributed/stages.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <stdexcept>
#include <string>

namespace convoy {
namespace {

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(StageLine, BucketsPassAllStagesInOrder) {
  for (const size_t stages : {1, 2, 3}) {
    constexpr size_t buckets = 7;
    std::mutex mutex;
    std::vector<std::vector<size_t>> passed(stages);
    std::vector<StageLine::Work> work;
    for (size_t s = 0; s < stages; ++s) {
      work.push_back([&, s](size_t bucket) {
        const std::lock_guard lock(mutex);
        EXPECT_TRUE(s == 0 || passed[s - 1].size() > passed[s].size()) << "before it was in the stage before";
        passed[s].push_back(bucket);
      });
    }
    StageLine line(buckets, work);
    line.wait();  // idle
    for (int round = 0; round < 100; ++round) {
      for (auto& each : passed) each.clear();
      line.begin();
      EXPECT_EQ(line.released(), 0u);
      for (size_t count = 1; count <= buckets; ++count) line.release(count);
      line.release(3);  // nothing is taken back
      EXPECT_EQ(line.released(), buckets);
      line.wait();
      for (const auto& each : passed) ASSERT_EQ(each, (std::vector<size_t>{0, 1, 2, 3, 4, 5, 6}));
    }
  }
}

TEST(StageLine, WithoutBucketsHasNothingToDo) {
  StageLine line(0, {[](size_t) { FAIL(); }, [](size_t) { FAIL(); }});
  for (int round = 0; round < 3; ++round) {
    line.begin();
    line.wait();
  }
}

// While one bucket is in the last stage the next ones are in the others: each waits for all, or the test hangs.
TEST(StageLine, StagesOverlap) {
  std::latch in_all_stages(3);
  const auto meet_when = [&](size_t mine) {
    return [&, mine](size_t bucket) {
      if (bucket == mine) in_all_stages.arrive_and_wait();
    };
  };
  StageLine line(3, {meet_when(2), meet_when(1), meet_when(0)});
  line.begin();
  line.release(3);
  line.wait();
}

TEST(StageLine, NothingPassesBeforeItIsReleased) {
  std::atomic<size_t> furthest{0};
  std::latch two(2);
  StageLine line(4, {[&](size_t bucket) {
                   furthest = bucket;
                   if (bucket < 2) two.count_down();
                 }});
  line.begin();
  line.release(2);
  two.wait();
  EXPECT_EQ(furthest, 1u);
  line.release(4);
  line.wait();
  EXPECT_EQ(furthest, 3u);
}

TEST(StageLine, AnErrorOfAnyStageEndsTheLine) {
  for (size_t failing = 0; failing < 3; ++failing) {
    std::atomic<int> last_passed{0};
    std::vector<StageLine::Work> work;
    for (size_t s = 0; s < 3; ++s) {
      work.push_back([&, s](size_t bucket) {
        if (s == failing && bucket == 2) throw std::runtime_error("stage " + std::to_string(s));
        if (s == 2) ++last_passed;
      });
    }
    StageLine line(5, work);
    line.begin();
    line.release(5);
    const std::string expected = "stage " + std::to_string(failing);
    EXPECT_EQ(error_of([&] { line.wait(); }), expected);
    EXPECT_EQ(error_of([&] { line.wait(); }), expected) << "stays broken";
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // a line that goes on would
    EXPECT_EQ(error_of([&] { line.begin(); }), expected);
    EXPECT_LE(last_passed, 2) << "what follows a failed bucket does not pass";
  }
}

TEST(StageLine, TheFirstErrorCounts) {
  std::atomic<bool> first_is_out{false};
  StageLine line(2, {[&](size_t bucket) {
                       if (bucket == 1) {
                         while (!first_is_out) std::this_thread::yield();
                         throw std::runtime_error("second");
                       }
                     },
                     [&](size_t) { throw std::runtime_error("first"); }});
  line.begin();
  line.release(2);
  EXPECT_EQ(error_of([&] { line.wait(); }), "first");
  first_is_out = true;
  EXPECT_EQ(error_of([&] { line.wait(); }), "first");
}

TEST(StageLine, CanBeLeftInMidRound) {
  std::atomic<int> passed{0};
  {
    std::latch under_way(1);
    StageLine line(5, {[](size_t) {},
                       [&](size_t) {
                         under_way.count_down();
                         ++passed;
                       }});
    line.begin();
    line.release(1);
    under_way.wait();
  }
  EXPECT_EQ(passed, 1);
  {
    StageLine line(5, {[&](size_t) { ++passed; }});
    line.begin();  // and nothing is released
  }
  EXPECT_EQ(passed, 1);
}

}  // namespace
}  // namespace convoy
