#include "launchers/run/memory_check.hpp"

#include <gmock/gmock.h>

#include "core/base/error.hpp"
#include "tests/launchers/error_of.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const MemoryPlan plan{.parts = {{"parameters", 200, 2}, {"activations", 100, 1}}};  // 200 of each worker

TEST(MemoryCheck, CountsThoseWhoTakeFromTheSameMemory) {
  check_memory(plan, {.machine = 800, .group = 400, .folder = "/job"}, {.machine = 4, .group = 2});
  EXPECT_THAT(
      error_of(
          ExitCode::out_of_memory,
          [] { check_memory(plan, {.machine = 800, .group = 399, .folder = "/job"}, {.machine = 4, .group = 2}); }),
      AllOf(HasSubstr("400 B within the control group /job (2 times"), HasSubstr("399 B are free")));
  EXPECT_THAT(error_of(ExitCode::out_of_memory, [] { check_memory(plan, {.machine = 799}, {.machine = 4}); }),
              AllOf(HasSubstr("800 B on this machine (4 times"), HasSubstr("fewer workers or more machines")));
}

TEST(MemoryCheck, LetsPassWhatCannotBeTold) {
  check_memory(plan, {}, {.machine = 1000, .group = 1000});
}

}  // namespace
}  // namespace convoy
