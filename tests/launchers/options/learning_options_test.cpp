// The keys of `convoy train` about optimizers and schedules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "launchers/options/train_options.hpp"
#include "tests/launchers/error_of.hpp"
#include "tests/support/temp_folder.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TrainOptions parsed(std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"--net", "n.net", "--data", "d", "--run", "r", "--epochs", "10", "--batch", "64"};
  words.insert(words.end(), more.begin(), more.end());
  return parse_train_options(words);
}

std::string usage_error(const std::vector<std::string>& words) {
  return error_of(ExitCode::usage, [&] { parsed(words); });
}

TEST(LearningOptions, EveryKeyArrives) {
  const TrainOptions o = parsed({"--optimizer", "adamw", "--momentum",   "0.5", "--beta1",         "0.8",
                                 "--beta2",     "0.99",  "--decay-rate", "0.7", "--epsilon",       "1e-3",
                                 "--trust",     "0.02",  "--clip-norm",  "5",   "--weight-decay",  "0.01",
                                 "--l1",        "1e-4",  "--decay-bias", "on",  "--schedule",      "cosine",
                                 "--gamma",     "0.25",  "--power",      "2",   "--min-rate",      "1e-5",
                                 "--warmup",    "100",   "--base-batch", "256", "--learning-rate", "0.5"});
  EXPECT_EQ(o.optimizer.name, "adamw");
  EXPECT_EQ(o.optimizer.momentum, 0.5f);
  EXPECT_EQ(o.optimizer.beta1, 0.8);
  EXPECT_EQ(o.optimizer.beta2, 0.99);
  EXPECT_EQ(o.optimizer.decay_rate, 0.7);
  EXPECT_EQ(o.optimizer.epsilon, 1e-3);
  EXPECT_EQ(o.optimizer.trust, 0.02);
  EXPECT_EQ(o.optimizer.clip_norm, 5);
  EXPECT_EQ(o.optimizer.weight_decay, 0.01f);
  EXPECT_EQ(o.optimizer.l1, 1e-4f);
  EXPECT_TRUE(o.optimizer.decay_bias);
  EXPECT_EQ(o.schedule.name, "cosine");
  EXPECT_EQ(o.schedule.gamma, 0.25);
  EXPECT_EQ(o.schedule.power, 2);
  EXPECT_EQ(o.schedule.min_rate, 1e-5);
  EXPECT_EQ(o.schedule.warmup, 100);
  EXPECT_EQ(o.base_batch, 256);
}

TEST(LearningOptions, EveryOptimizerAndScheduleCanBeChosen) {
  for (const std::string& name : optimizer_names()) EXPECT_EQ(parsed({"--optimizer", name}).optimizer.name, name);
  for (const std::string& name : schedule_names()) {
    std::vector<std::string> words = {"--schedule", name};
    if (name == "step") words.insert(words.end(), {"--step-epochs", "3"});
    if (name == "multistep") words.insert(words.end(), {"--milestones", "10,20"});
    if (name == "inv" || name == "exponential") words.insert(words.end(), {"--gamma", "0.999"});
    EXPECT_EQ(parsed(words).schedule.name, name);
  }
  EXPECT_THAT(usage_error({"--optimizer", "adan"}), HasSubstr("one of sgd, momentum"));
  EXPECT_THAT(usage_error({"--schedule", "inverse"}), HasSubstr("inv"));
}

TEST(LearningOptions, NonsenseIsRefusedBeforeAnythingIsRead) {
  EXPECT_THAT(usage_error({"--optimizer", "adam", "--beta2", "1"}), HasSubstr("beta2 = 1: expected"));
  EXPECT_THAT(usage_error({"--beta1", "2"}), HasSubstr("--beta1 2: expected a number from 0 to 1"));
  EXPECT_THAT(usage_error({"--momentum", "1"}), HasSubstr("momentum = 1"));
  EXPECT_THAT(usage_error({"--clip-norm", "-1"}), HasSubstr("--clip-norm -1"));
  EXPECT_THAT(usage_error({"--epsilon", "-1"}), HasSubstr("--epsilon -1"));
  EXPECT_THAT(usage_error({"--schedule", "step"}), AllOf(HasSubstr("step-size"), HasSubstr("step-epochs")));
  EXPECT_THAT(usage_error({"--schedule", "multistep"}), AllOf(HasSubstr("milestones"), HasSubstr("milestone-epochs")));
  EXPECT_THAT(usage_error({"--schedule", "multistep", "--milestones", "10,x"}), HasSubstr("not 'x'"));
  EXPECT_THAT(usage_error({"--schedule", "multistep", "--milestones", "20,10"}), HasSubstr("must rise"));
  EXPECT_THAT(usage_error({"--schedule", "multistep", "--milestone-epochs", "1,-2"}), HasSubstr("not '-2'"));
  EXPECT_THAT(usage_error({"--milestones", "1", "--milestone-epochs", "1"}), HasSubstr("keep one"));
  EXPECT_THAT(usage_error({"--schedule", "exponential"}), HasSubstr("needs gamma"));
  EXPECT_THAT(usage_error({"--schedule", "cosine", "--min-rate", "1"}), HasSubstr("min-rate = 1"));
}

TEST(LearningOptions, TheScheduleIsResolvedIntoSteps) {
  // 60,000 samples at 64 a batch: an epoch is 937.5 steps.
  ScheduleOptions schedule =
      resolved_schedule(parsed({"--schedule", "multistep", "--milestone-epochs", "2, 4,4.5"}), 60000);
  EXPECT_THAT(schedule.milestones, ElementsAre(1875, 3750, 4219));
  EXPECT_EQ(schedule.total, 9375);
  EXPECT_EQ(schedule.rate, 0.01);
  schedule = resolved_schedule(parsed({"--schedule", "multistep", "--milestones", "100, 200"}), 60000);
  EXPECT_THAT(schedule.milestones, ElementsAre(100, 200));
  TrainOptions by_steps = parsed({"--schedule", "poly"});
  by_steps.epochs = 0, by_steps.steps = 77;
  EXPECT_EQ(resolved_schedule(by_steps, 60000).total, 77);
}

TEST(LearningOptions, TheRateGrowsWithTheBatch) {
  const TrainOptions options = parsed({"--learning-rate", "0.1", "--base-batch", "16", "--schedule", "poly"});
  EXPECT_DOUBLE_EQ(resolved_schedule(options, 640).rate, 0.4);
  EXPECT_DOUBLE_EQ(Schedule(resolved_schedule(options, 640)).rate(50), 0.2);
  EXPECT_DOUBLE_EQ(resolved_schedule(parsed({"--learning-rate", "0.1", "--base-batch", "256"}), 640).rate, 0.025);
}

TEST(LearningOptions, DefaultsThatBelongToTheChoiceStayOutOfTheRecipe) {
  const TempFolder folder;
  const TrainOptions first = parsed({"--optimizer", "momentum"});
  EXPECT_THAT(first.recipe, AllOf(Not(HasSubstr("\nmomentum =")), Not(HasSubstr("epsilon")), Not(HasSubstr("gamma")),
                                  HasSubstr("beta1 = 0.9\n"), HasSubstr("clip-norm = 0\n")));
  std::ofstream(folder / "recipe.cfg") << first.recipe;
  const TrainOptions second = parse_train_options({folder / "recipe.cfg", "--optimizer", "rmsprop"});
  EXPECT_THAT(make_optimizer(second.optimizer)->slots(), ElementsAre("square_average")) << "momentum 0, as PyTorch's";
  EXPECT_THAT(parsed({"--momentum", "0.5", "--epsilon", "0"}).recipe,
              AllOf(HasSubstr("\nmomentum = 0.5\n"), HasSubstr("\nepsilon = 0\n")));
}

TEST(LearningOptions, TheRecipeIsReadBackAsItWas) {
  const TempFolder folder;
  const TrainOptions first =
      parsed({"--optimizer", "lars", "--trust", "0.02", "--clip-norm", "2.5", "--l1", "1e-4", "--schedule", "multistep",
              "--milestone-epochs", "3,6", "--gamma", "0.2", "--base-batch", "256"});
  std::ofstream(folder / "recipe.cfg") << first.recipe;
  const TrainOptions second = parse_train_options({folder / "recipe.cfg"});
  EXPECT_EQ(second.recipe, first.recipe);
  EXPECT_EQ(second.milestone_epochs, "3,6");
  EXPECT_EQ(second.schedule.gamma, 0.2);
}

TEST(LearningOptions, KeysWithoutMeaningAreTold) {
  EXPECT_THAT(unused_keys_text(parsed()), IsEmpty());
  EXPECT_THAT(unused_keys_text(parsed({"--optimizer", "adam", "--momentum", "0.5", "--step-epochs", "3"})),
              ElementsAre("optimizer adam makes no use of momentum", "schedule constant makes no use of step-epochs"));
  EXPECT_THAT(unused_keys_text(parsed({"--schedule", "cosine", "--milestones", "3", "--gamma", "0.5"})),
              ElementsAre("schedule cosine makes no use of gamma, milestones"));
}

TEST(LearningOptions, TheHelpTellsDefaults) {
  TrainOptions options;
  const std::string help = train_option_set(options).help();
  EXPECT_THAT(help, AllOf(HasSubstr("sgd|momentum|nesterov|adagrad|rmsprop|adadelta|adam|adamw|lars"),
                          HasSubstr("constant|step|multistep|exponential|inv|poly|cosine")));
  EXPECT_THAT(help, Not(HasSubstr("default -1"))) << "an internal mark";
}

}  // namespace
}  // namespace convoy
