#include "distributed/meeting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "core/base/error.hpp"

namespace convoy {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class Place {
 public:
  explicit Place(int ranks, std::chrono::duration<double> timeout = std::chrono::hours(1))
      : memory_((MeetingPlace::bytes(ranks) + sizeof(Line) - 1) / sizeof(Line)),
        place_(memory_.data(), ranks, timeout) {}
  MeetingPlace* operator->() { return &place_; }
  void meet() { place_.meet("test", place_.deadline()); }

 private:
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> memory_;
  MeetingPlace place_;
};

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::peer_lost);
    return error.what();
  }
  return "";
}

// Suites are named ThreadComm..., as ThreadSanitizer is to watch them.
TEST(ThreadCommMeeting, OfOneIsHeldAtOnce) {
  Place place(1);
  for (int i = 0; i < 10; ++i) place.meet();
}

// A lost wake-up would be a sleep of 100 ms, twice as many threads as cores make them sleep; what was written without
// an atomic before a meeting is read after it.
TEST(ThreadCommMeeting, EverybodySeesWhatWasWrittenBefore) {
  constexpr int ranks = 4, rounds = 2000;
  Place place(ranks);
  std::vector<int> written(ranks);
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r) {
    threads.emplace_back([&, r] {
      for (int round = 1; round <= rounds; ++round) {
        written[static_cast<size_t>(r)] = round;
        place.meet();
        for (const int each : written) ASSERT_EQ(each, round);
        place.meet();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ThreadCommMeeting, CallsOfTwoTurnsMayBeReadAtOnce) {
  Place place(2);
  const auto call = [](uint64_t count) { return Call{.operation = "x", .offset = 3, .count = count}; };
  place->bring(0, 6, call(60));
  place->bring(1, 6, call(61));
  place->bring(0, 7, call(70));
  EXPECT_EQ(place->call(0, 6).count, 60u);
  EXPECT_EQ(place->call(1, 6).count, 61u);
  EXPECT_EQ(place->call(0, 7).count, 70u);
  EXPECT_EQ(place->call(1, 6).offset, 3u);
}

TEST(ThreadCommMeeting, WhoComesLateFailsLikeThoseWhoWaited) {
  Place place(3, milliseconds(50));
  std::string waited[2];
  std::thread other([&] { waited[1] = error_of([&] { place.meet(); }); });
  waited[0] = error_of([&] { place.meet(); });
  other.join();
  EXPECT_THAT(waited[0], HasSubstr("test: only 2 of 3 workers came within 0.05 s"));
  EXPECT_EQ(waited[1], waited[0]);
  EXPECT_EQ(error_of([&] { place.meet(); }), waited[0]);
  EXPECT_EQ(error_of([&] { place->bring(2, 1, {}); }), waited[0]);
  EXPECT_EQ(error_of([&] { place->throw_if_broken(); }), waited[0]);
}

// Their deadline is far away: they are woken, or the test hangs.
TEST(ThreadCommMeeting, BreakingUpWakesThoseWhoSleep) {
  Place place(4);
  std::vector<std::future<std::string>> errors;
  for (int r = 0; r < 3; ++r) {
    errors.push_back(std::async(std::launch::async, [&] { return error_of([&] { place.meet(); }); }));
  }
  std::this_thread::sleep_for(milliseconds(20));
  place->break_up("first");
  place->break_up("second");
  for (auto& error : errors) EXPECT_EQ(error.get(), "first");
}

// The last to come may leave at once. A meeting that was held stays held for those who have not woken yet.
TEST(ThreadCommMeeting, WhoLeavesAfterAMeetingDoesNotSpoilIt) {
  for (int round = 0; round < 300; ++round) {
    Place place(2);
    auto first = std::async(std::launch::async, [&] { return error_of([&] { place.meet(); }); });
    if (round % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));  // it sleeps, or it spins
    // Only who comes last leaves a meeting that the other has not left.
    const std::string mine = error_of([&] { place.meet(); });
    place->break_up("left");
    EXPECT_EQ(mine, "");
    EXPECT_EQ(first.get(), "");
  }
}

TEST(ThreadCommMeeting, LongReasonsAreCut) {
  Place place(2);
  place->break_up(std::string(5000, 'x'));
  EXPECT_EQ(error_of([&] { place->throw_if_broken(); }), std::string(1019, 'x'));
}

}  // namespace
}  // namespace convoy
