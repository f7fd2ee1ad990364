#include "launchers/run/fault.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
}

TEST(Fault, AnythingElseIsAnErrorThatShowsAnExample) {
  for (const char* text :
       {"", "kill", "kill:1", "kill:1:", "kill::1", "kill:-1:1", "kill:1:0", "kill:x:1", "maim:1:1", "kill:1:2:3"}) {
    EXPECT_THAT(error_of(ExitCode::usage, [&] { parse_fault(text); }), HasSubstr("kill:1:20")) << text;
  }
}

TEST(Fault, StrikesTheNamedWorkerAtTheNamedStepOnly) {
  const Fault fault = parse_fault("error:1:5");
  strike(fault, 0, 5);
  strike(fault, 1, 4);
  strike({}, 0, 0);
  EXPECT_THAT(error_of(ExitCode::data, [&] { strike(fault, 1, 5); }), HasSubstr("step 5"));
  EXPECT_EXIT(strike(parse_fault("kill:1:5"), 1, 5), testing::KilledBySignal(SIGKILL), "");
}

}  // namespace
}  // namespace convoy
