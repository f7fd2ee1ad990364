#include "launchers/options/train_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/launchers/error_of.hpp"
#include "tests/support/temp_folder.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<std::string> complete(std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"--net", "n.net", "--data", "d", "--run", "r", "--steps", "10"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::string usage_error(const std::vector<std::string>& words) {
  return error_of(ExitCode::usage, [&] { parse_train_options(words); });
}

TEST(TrainOptions, DefaultsAreThoseOfTheDesign) {
  const TrainOptions options = parse_train_options(complete());
  EXPECT_EQ(options.mean, "0");
  EXPECT_EQ(options.scale, "1/255");
  EXPECT_EQ(options.shuffle, "on");
  EXPECT_FALSE(options.exact);
  EXPECT_EQ(options.micro_batch, 0);
  EXPECT_EQ(options.keep_checkpoints, 3);
  EXPECT_EQ(options.timeout, 60);
}

TEST(TrainOptions, WhatIsMissingIsNamed) {
  EXPECT_THAT(usage_error({"--net", "n", "--data", "d", "--steps", "1"}), HasSubstr("run is missing"));
  EXPECT_THAT(usage_error({"--run", "r", "--data", "d", "--steps", "1"}), HasSubstr("net is missing"));
  EXPECT_THAT(usage_error({"--run", "r", "--net", "n", "--steps", "1"}), HasSubstr("data is missing"));
  EXPECT_THAT(usage_error({"--run", "r", "--net", "n", "--data", "d"}), AllOf(HasSubstr("steps"), HasSubstr("epochs")));
  EXPECT_THAT(usage_error(complete({"--schedule", "step"})), AllOf(HasSubstr("step-size"), HasSubstr("step-epochs")));
  EXPECT_THAT(usage_error(complete({"--fault", "kill:1"})), HasSubstr("kill:1"));
}

TEST(TrainOptions, ChainsAreReadBeforeAnythingElse) {
  EXPECT_EQ(parse_train_options(complete({"--augment", "random-crop 24, flip"})).augment, "random-crop 24, flip");
  EXPECT_THAT(usage_error(complete({"--augment", "random-crop 24, flipp"})), HasSubstr("did you mean 'flip'?"));
  EXPECT_THAT(usage_error(complete({"--eval-augment", "flip"})), HasSubstr("eval-augment: 'flip' draws"));
}

TEST(TrainOptions, ARecipeIsReadAndFlagsBeatIt) {
  const TempFolder folder;
  std::ofstream(folder / "a.cfg")
      << "net = n\ndata = d\nrun = r\nepochs = 3\nbatch = 8\nschedule = step\nstep-size = 5\n";
  const TrainOptions options = parse_train_options({folder / "a.cfg", "--batch", "16", "--step-epochs", "1"});
  EXPECT_EQ(options.batch, 16);
  EXPECT_EQ(options.epochs, 3);
  EXPECT_EQ(options.schedule.step_size, 0);
  EXPECT_EQ(options.step_epochs, 1);
  EXPECT_THAT(options.recipe, AllOf(HasSubstr("batch = 16\n"), HasSubstr("step-epochs = 1\n"), HasSubstr("net = n\n")));
  EXPECT_THAT(usage_error({folder / "a.cfg", "b.cfg"}), HasSubstr("b.cfg"));
}

TEST(TrainOptions, ResumeWithoutARecipeTakesTheRunsOwn) {
  const TempFolder folder;
  std::ofstream(folder / "recipe.cfg") << parse_train_options(complete({"--batch", "24"})).recipe;
  const TrainOptions options = parse_train_options({"--run", folder.path(), "--resume"});
  EXPECT_EQ(options.batch, 24);
  EXPECT_EQ(options.net, "n.net");
  EXPECT_EQ(options.run, folder.path());
  EXPECT_TRUE(options.resume);
}

TEST(TrainOptions, EpochsAreRoundedUpToSteps) {
  EXPECT_EQ(steps_of_epochs(1, 60000, 64), 938);
  EXPECT_EQ(steps_of_epochs(2, 60000, 64), 1875);
  EXPECT_EQ(steps_of_epochs(12, 60000, 64), 11250);
  EXPECT_EQ(steps_of_epochs(0.5, 100, 10), 5);
  EXPECT_EQ(steps_of_epochs(0.001, 100, 10), 1);
}

TEST(TrainOptions, StepsAndTheScheduleAreResolved) {
  TrainOptions options = parse_train_options(complete());
  EXPECT_EQ(total_steps(options, 60000), 10);
  options.steps = 0, options.epochs = 2, options.batch = 64, options.step_epochs = 4;
  EXPECT_EQ(total_steps(options, 60000), 1875);
  EXPECT_EQ(resolved_schedule(options, 60000).step_size, 3750);
}

TEST(TrainOptions, KeysOfTheExchangeArrive) {
  const TrainOptions usual = parse_train_options(complete());
  EXPECT_EQ(usual.exchange, "auto");
  EXPECT_EQ(usual.exchange_dtype, "fp32");
  EXPECT_EQ(usual.bucket_bytes, 0);
  EXPECT_FALSE(usual.shard_optimizer);
  EXPECT_EQ(usual.ranks_per_node, 0);
  const TrainOptions o =
      parse_train_options(complete({"--exchange", "hierarchical", "--exchange-dtype", "bf16", "--bucket-bytes",
                                    "5000000000", "--shard-optimizer", "on", "--ranks-per-node", "3"}));
  EXPECT_EQ(o.exchange, "hierarchical");
  EXPECT_EQ(o.exchange_dtype, "bf16");
  EXPECT_EQ(o.bucket_bytes, 5000000000);
  EXPECT_TRUE(o.shard_optimizer);
  EXPECT_EQ(o.ranks_per_node, 3);
}

TEST(TrainOptions, ImpossibleExchangesAreRefused) {
  EXPECT_THAT(usage_error(complete({"--exchange", "ring"})), AllOf(HasSubstr("exchange"), HasSubstr("hierarchical")));
  EXPECT_THAT(usage_error(complete({"--exchange-dtype", "fp16"})), HasSubstr("bf16"));
  EXPECT_THAT(usage_error(complete({"--exchange-dtype", "bf16", "--exact", "on"})),
              AllOf(HasSubstr("exact on"), HasSubstr("--exchange-dtype fp32")));
  EXPECT_THAT(usage_error(complete({"--bucket-bytes", "1023"})), HasSubstr("at least 1024"));
  EXPECT_THAT(usage_error(complete({"--bucket-bytes", "-1"})), HasSubstr("bucket-bytes"));
  EXPECT_THAT(usage_error(complete({"--ranks-per-node", "-1"})), HasSubstr("ranks-per-node"));
  EXPECT_THAT(usage_error(complete({"--shard-optimizer", "yes"})), HasSubstr("shard-optimizer"));
}

TEST(TrainOptions, TheQuickstartsRecipeHolds) {
  const std::filesystem::path root = CONVOY_SOURCE_DIR;
  const TrainOptions options = parse_train_options({(root / "experiments/lenet-fashion.cfg").string()});
  EXPECT_EQ(options.run, "runs/lenet-fashion") << "launchers/quickstart looks there";
  EXPECT_GT(resolved_schedule(options, 60000).step_size, 0);
  EXPECT_LT(resolved_schedule(options, 60000).step_size, total_steps(options, 60000));
}

}  // namespace
}  // namespace convoy
