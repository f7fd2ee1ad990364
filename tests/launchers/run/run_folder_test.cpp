#include "launchers/run/run_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/launchers/error_of.hpp"
#include "tests/support/temp_folder.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const char* const network = "input 4x4x1\nfc K=2\nloss softmax\n";

CheckpointState state_of_run() {
  CheckpointState state{.seed = 1, .network = network};
  state.notes = {{"batch", "64"}, {"shuffle", "on"}, {"optimizer", "momentum"},
                 {"exact", "on"}, {"lanes", "8"},    {"machine", "CPU"}};
  return state;
}

std::string difference_error(const std::string& key, const std::string& value) {
  CheckpointState asked = state_of_run();
  asked.notes[key] = value;
  return error_of(ExitCode::usage, [&] { check_same_run(state_of_run(), asked, "c.h5"); });
}

TEST(SameRun, TheSameRunGoesOn) {
  EXPECT_THAT(check_same_run(state_of_run(), state_of_run(), "c.h5"), IsEmpty());
}

TEST(SameRun, KeysThatChangeTheRunAreNamedWithBothValues) {
  EXPECT_THAT(difference_error("batch", "32"),
              AllOf(HasSubstr("batch"), HasSubstr("32"), HasSubstr("64"), HasSubstr("c.h5")));
  EXPECT_THAT(difference_error("optimizer", "sgd"), AllOf(HasSubstr("sgd"), HasSubstr("momentum")));
  EXPECT_THAT(difference_error("lanes", "4"), HasSubstr("lanes"));
  CheckpointState asked = state_of_run();
  asked.seed = 2;
  EXPECT_THAT(error_of(ExitCode::usage, [&] { check_same_run(state_of_run(), asked, "c.h5"); }),
              AllOf(HasSubstr("seed"), HasSubstr("2")));
}

TEST(SameRun, HarmlessDifferencesAreTold) {
  CheckpointState asked = state_of_run();
  asked.notes["machine"] = "another CPU";
  EXPECT_THAT(check_same_run(state_of_run(), asked, "c.h5"), ElementsAre(HasSubstr("another CPU")));
  asked.notes = {{"exact", "off"},          {"lanes", "2"},    {"batch", "64"}, {"shuffle", "on"},
                 {"optimizer", "momentum"}, {"machine", "CPU"}};
  EXPECT_THAT(check_same_run(state_of_run(), asked, "c.h5"), ElementsAre(HasSubstr("exact"), HasSubstr("lanes")));
}

TEST(SameRun, NetworksAreComparedByMeaning) {
  EXPECT_EQ(first_difference(network, "# said twice\ninput 4x4x1\n\nfc   K=2 # two\nloss softmax"), "");
  EXPECT_THAT(first_difference(network, "input 4x4x1\nfc K=3\nloss softmax\n"),
              AllOf(HasSubstr("line 2"), HasSubstr("K=3")));
  EXPECT_THAT(first_difference(network, "input 4x4x1\nfc K=2\n"), HasSubstr("loss"));
  EXPECT_THAT(first_difference("input 4x4x1\nfc K=2\n", network), HasSubstr("line 3"));
}

class RunFolder : public testing::Test {
 protected:
  RunFolder() {
    options_.run = folder_ / "run";
    options_.recipe = "batch = 64\n";
  }
  Start claim(int64_t steps = 100) { return claim_run_folder(options_, state_of_run(), steps); }

  TempFolder folder_;
  TrainOptions options_;
};

TEST_F(RunFolder, IsMadeWithItsRecipe) {
  const Start start = claim();
  EXPECT_EQ(start.checkpoint, "");
  EXPECT_EQ(start.step, 0);
  std::ifstream recipe(options_.run + "/recipe.cfg");
  std::string line;
  std::getline(recipe, line);
  EXPECT_EQ(line, "batch = 64");
}

TEST_F(RunFolder, OfAnotherRunIsLeftAlone) {
  claim();
  std::ofstream(options_.run + "/metrics.jsonl").close();
  claim();  // of a run that failed before its first step
  std::ofstream(options_.run + "/metrics.jsonl") << "{}\n";
  EXPECT_THAT(error_of(ExitCode::usage, [&] { claim(); }),
              AllOf(HasSubstr(options_.run), HasSubstr("--resume"), HasSubstr("--run")));
  options_.resume = true;
  EXPECT_EQ(claim().step, 0) << "nothing is saved: anew";
}

TEST_F(RunFolder, InPlaceOfAFileIsRefused) {
  std::ofstream(options_.run) << "mine";
  EXPECT_THAT(error_of(ExitCode::storage, [&] { claim(); }), HasSubstr(options_.run));
}

TEST_F(RunFolder, IsNotMadeForWeightsThatAreNotThere) {
  options_.init = folder_ / "nowhere.h5";
  EXPECT_THAT(error_of(ExitCode::data, [&] { claim(); }), HasSubstr("nowhere.h5"));
  EXPECT_FALSE(std::filesystem::exists(options_.run));
}

TEST_F(RunFolder, WithDamagedCheckpointsOnlyIsLeftAlone) {
  claim();
  std::ofstream(options_.run + "/checkpoints/step-00000010.h5") << "damaged";
  options_.resume = true;
  EXPECT_THAT(error_of(ExitCode::data, [&] { claim(); }), AllOf(HasSubstr("step-00000010.h5"), HasSubstr("damaged")));
}

}  // namespace
}  // namespace convoy
