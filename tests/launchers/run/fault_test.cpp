#include "launchers/run/fault.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/launchers/error_of.hpp"

namespace convoy {
namespace {

using testing::HasSubstr;

TEST(Fault, IsKindRankAndStep) {
  const Fault fault = parse_fault("stop:2:30");
  EXPECT_EQ(fault.kind, Fault::Kind::stop);
  EXPECT_EQ(fault.rank, 2);
  EXPECT_EQ(fault.step, 30);
  EXPECT_EQ(parse_fault("kill:0:1").kind, Fault::Kind::kill);
  EXPECT_EQ(parse_fault("error:0:1").kind, Fault::Kind::error);
  EXPECT_EQ(parse_fault("slow:3:20").kind, Fault::Kind::slow);
  EXPECT_EQ(parse_fault("slow:3:20").milliseconds, 20);
}

TEST(Fault, AnythingElseIsAnErrorThatShowsAnExample) {
  for (const char* text : {"", "kill", "kill:1", "kill:1:", "kill::1", "kill:-1:1", "kill:1:0", "kill:x:1", "maim:1:1",
                           "kill:1:2:3", "slow:1:0", "slow:1:99999999"}) {
    EXPECT_THAT(error_of(ExitCode::usage, [&] { parse_fault(text); }), HasSubstr("kill:1:20")) << text;
  }
}

TEST(Fault, StrikesTheNamedWorkerAtTheNamedStepOnly) {
  const Fault fault = parse_fault("error:1:5");
  strike(fault, 0, 5);
  strike(fault, 1, 4);
  strike({}, 0, 0);
  EXPECT_THAT(error_of(ExitCode::data, [&] { strike(fault, 1, 5); }), HasSubstr("step 5"));
  const auto before = std::chrono::steady_clock::now();
  strike(parse_fault("slow:1:20"), 1, 7);
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(20)) << "in any step";
  EXPECT_EXIT(strike(parse_fault("kill:1:5"), 1, 5), testing::KilledBySignal(SIGKILL), "");
}

}  // namespace
}  // namespace convoy
