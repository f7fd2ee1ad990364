#include "distributed/communicator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "core/base/error.hpp"
#include "tests/distributed/communicator_cases.hpp"
#include "tests/distributed/ranks_as_threads.hpp"

namespace convoy {
namespace {

using testing::HasSubstr;

TEST(Slices, EvenPartsOnGrains) {
  EXPECT_EQ(Slices::even(64, 64 + 100, 3, 16).borders, (std::vector<size_t>{64, 96, 128, 164}));
  EXPECT_EQ(Slices::even(0, 10, 4, 16).borders, (std::vector<size_t>{0, 0, 0, 0, 10}));
  EXPECT_EQ(Slices::even(5, 5, 2).borders, (std::vector<size_t>{5, 5, 5}));
}

TEST(Slices, MoveAndGrow) {
  const Slices slices{.borders = {64, 96, 96, 164}};
  EXPECT_EQ(slices.from_zero().borders, (std::vector<size_t>{0, 32, 32, 100}));
  EXPECT_EQ(slices.padded_to(5).borders, (std::vector<size_t>{64, 96, 96, 164, 164, 164}));
  EXPECT_EQ(slices.padded_to(3).borders, slices.borders);
  EXPECT_EQ((Slices{.borders = {7, 7}}.from_zero().padded_to(2).borders), (std::vector<size_t>{0, 0, 0}));
}

TEST(Slices, CheckRefusesWhatDoesNotFit) {
  EXPECT_NO_THROW((Slices{.borders = {0, 5, 10}}.check(10, 2)));
  EXPECT_THROW((Slices{.borders = {0, 5, 11}}.check(10, 2)), Error);
  EXPECT_THROW((Slices{.borders = {0, 10}}.check(10, 2)), Error);
  EXPECT_THROW((Slices{.borders = {0, 7, 5}}.check(10, 2)), Error);
  EXPECT_THROW((Slices{.borders = {}}.check(10, 2)), Error);
}

TEST(SoloComm, PassesAllCases) {
  const auto communicator = make_solo_communicator();
  EXPECT_NO_THROW(run_communicator_cases(*communicator, {}));
}

class ThreadComm : public testing::TestWithParam<int> {};

TEST_P(ThreadComm, PassesAllCases) {
  EXPECT_NO_THROW(run_ranks(GetParam(), [](Communicator& each) { run_communicator_cases(each, {}); }));
}

INSTANTIATE_TEST_SUITE_P(Ranks, ThreadComm, testing::Range(1, 9));

std::string message_of(const std::exception_ptr& error) {
  if (!error) return "no error";
  try {
    std::rethrow_exception(error);
  } catch (const Error& e) {
    return concat(static_cast<int>(e.code()), ": ", e.what());
  }
}

TEST(ThreadCommFailure, RankThatNeverComesFailsAllAtTheDeadline) {
  std::atomic<int> failed_again{0};
  const auto errors = errors_of_ranks(3,
                                      [&](Communicator& communicator) {
                                        communicator.barrier();
                                        if (communicator.rank() == 1) return;
                                        try {
                                          communicator.barrier();
                                        } catch (const Error&) {
                                          EXPECT_THROW(communicator.barrier(), Error);
                                          ++failed_again;
                                          throw;
                                        }
                                      },
                                      {.timeout = std::chrono::milliseconds(100)});
  EXPECT_THAT(message_of(errors[0]), HasSubstr("6: barrier: only 2 of 3 workers came within 0.1 s"));
  EXPECT_EQ(message_of(errors[1]), "no error");
  EXPECT_EQ(message_of(errors[2]), message_of(errors[0]));
  EXPECT_EQ(failed_again, 2);
}

TEST(ThreadCommFailure, RankThatComesLateFailsToo) {
  std::atomic<bool> passed{false};
  const auto errors = errors_of_ranks(2,
                                      [&](Communicator& communicator) {
                                        if (communicator.rank() == 1) {
                                          while (!passed) std::this_thread::yield();
                                        }
                                        try {
                                          communicator.barrier();
                                        } catch (const Error&) {
                                          passed = true;
                                          throw;
                                        }
                                      },
                                      {.timeout = std::chrono::milliseconds(50)});
  EXPECT_NE(errors[0], nullptr);
  EXPECT_EQ(message_of(errors[1]), message_of(errors[0]));
}

// Without a deadline to wait for: these fail at once, or the test hangs.
TEST(ThreadCommFailure, OneRanksErrorIsEverybodys) {
  const auto errors = errors_of_ranks(3, [](Communicator& communicator) {
    std::vector<float> data(10);
    const Slices wrong{.borders = {0, 1}};
    communicator.reduce_scatter(data, communicator.rank() == 2 ? wrong : Slices::even(0, 10, 3));
  });
  EXPECT_THAT(message_of(errors[2]), HasSubstr("2 borders up to element 1"));
  EXPECT_THAT(message_of(errors[0]), HasSubstr("6: worker 2 failed: 2 borders up to element 1"));
  EXPECT_EQ(message_of(errors[1]), message_of(errors[0]));
}

TEST(ThreadCommFailure, DifferentOperationsAreNoticed) {
  const auto errors = errors_of_ranks(2, [](Communicator& communicator) {
    int64_t number = 0;
    if (communicator.rank() == 0) communicator.barrier();
    if (communicator.rank() == 1) communicator.all_reduce(std::span(&number, 1), ReduceOp::sum);
  });
  EXPECT_THAT(message_of(errors[0]) + message_of(errors[1]), HasSubstr("calls all_reduce of 1"));
}

TEST(ThreadCommFailure, RankThatLeavesFailsTheOthers) {
  auto communicators = make_thread_communicators(2);
  std::thread leaving([&] { communicators[1].reset(); });
  try {
    communicators[0]->barrier();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "worker 1 has left");
  }
  leaving.join();
}

}  // namespace
}  // namespace convoy
