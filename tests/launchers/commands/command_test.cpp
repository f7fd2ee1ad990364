#include "launchers/commands/command.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/launchers/error_of.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string usage_error(const Arguments& arguments) {
  return error_of(ExitCode::usage, [&] { run_program(arguments); });
}

TEST(Program, HelpNamesEveryCommandAndExitCode) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(run_program({"--help"}), 0);
  const std::string help = testing::internal::GetCapturedStdout();
  for (const Command& command : command_table())
    EXPECT_THAT(help, AllOf(HasSubstr(command.name), HasSubstr(command.help)));
  for (const ExitCode code :
       {ExitCode::ok, ExitCode::internal, ExitCode::usage, ExitCode::data, ExitCode::out_of_memory, ExitCode::diverged,
        ExitCode::peer_lost, ExitCode::storage, ExitCode::preempted}) {
    EXPECT_THAT(help, HasSubstr(concat(" ", static_cast<int>(code), "  ")));
  }
}

TEST(Program, EveryCommandHasHelpOfItsOwn) {
  for (const Command& command : command_table()) {
    testing::internal::CaptureStdout();
    EXPECT_EQ(run_program({command.name, "--help"}), 0);
    EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("Usage: convoy " + command.name));
  }
}

TEST(Program, UnknownCommandsNameTheNearest) {
  EXPECT_THAT(usage_error({"trian"}), AllOf(HasSubstr("trian"), HasSubstr("'train'")));
  EXPECT_THAT(usage_error({"xyzzy"}), AllOf(HasSubstr("import"), HasSubstr("eval")));
}

TEST(Program, CommandsSayWhatTheyMiss) {
  EXPECT_THAT(usage_error({"import"}), HasSubstr("idx"));
  EXPECT_THAT(usage_error({"import", "parquet", "a"}), AllOf(HasSubstr("parquet"), HasSubstr("idx")));
  EXPECT_THAT(usage_error({"import", "idx", "a"}), HasSubstr("two"));
  EXPECT_THAT(usage_error({"import", "idx", "a", "b"}), HasSubstr("--out"));
  EXPECT_THAT(usage_error({"inspect"}), HasSubstr("PATH"));
  EXPECT_THAT(usage_error({"net"}), HasSubstr("FILE"));
  EXPECT_THAT(usage_error({"eval", "--data", "d"}), HasSubstr("--checkpoint"));
  EXPECT_THAT(usage_error({"eval", "--checkpoint", "c"}), HasSubstr("--data"));
  EXPECT_THAT(usage_error({"eval", "--checkpoint", "c", "--net", "n", "--data", "d"}), HasSubstr("--net"));
  EXPECT_THAT(usage_error({"eval", "c"}), HasSubstr("c: "));
  EXPECT_THAT(usage_error({"bench"}), HasSubstr("step"));
  EXPECT_THAT(usage_error({"bench", "step"}), HasSubstr("--net"));
}

}  // namespace
}  // namespace convoy
