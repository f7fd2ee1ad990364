#include "launchers/options/option_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/launchers/error_of.hpp"
#include "tests/support/temp_folder.hpp"

namespace convoy {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct Options {
  std::string name = "none", kind = "round";
  int64_t batch = 64, steps = 0;
  double epochs = 0, rate = 0.1;
  bool exact = false, resume = false, json = false;
};

class OptionSetTest : public testing::Test {
 protected:
  OptionSetTest() : set_("convoy test", "[RECIPE] --name X", "About.") {
    set_.text("name", o_.name, "X", "a name");
    set_.choice("kind", o_.kind, {"round", "square"}, "a kind", {"oval"});
    set_.integer("batch", o_.batch, {.least = 1, .most = 1000}, "images");
    set_.integer("steps", o_.steps, {.least = 1}, "steps");
    set_.number("epochs", o_.epochs, {.least = 0}, "epochs");
    set_.alternatives({"steps", "epochs"});
    set_.number("learning-rate", o_.rate, {.least = 0, .most = 10}, "rate");
    set_.on_off("exact", o_.exact, "exact");
    set_.flag("resume", o_.resume, "go on", OptionSet::Place::not_kept);
    set_.flag("json", o_.json, "as JSON");
  }

  Assignments flags(const std::vector<std::string>& words) { return set_.read_flags(words); }
  void apply(const std::vector<std::string>& words) { set_.apply(flags(words)); }
  std::string usage_error(const std::vector<std::string>& words) {
    return error_of(ExitCode::usage, [&] { apply(words); });
  }
  std::string recipe_file(const std::string& text) {
    std::ofstream(folder_ / "r.cfg") << text;
    return folder_ / "r.cfg";
  }
  std::string recipe_error(const std::string& text) {
    return error_of(ExitCode::usage, [&] { set_.apply(set_.read_recipe(recipe_file(text))); });
  }

  TempFolder folder_;
  Options o_;
  OptionSet set_;
};

TEST_F(OptionSetTest, FlagsFillTheVariables) {
  apply({"--batch", "32", "--learning-rate=0.5", "--exact", "on", "--resume", "--name", "a b"});
  EXPECT_EQ(o_.batch, 32);
  EXPECT_EQ(o_.rate, 0.5);
  EXPECT_TRUE(o_.exact);
  EXPECT_TRUE(o_.resume);
  EXPECT_FALSE(o_.json);
  EXPECT_EQ(o_.name, "a b");
  EXPECT_EQ(o_.kind, "round");
}

TEST_F(OptionSetTest, WordsThatNoFlagTakesArePositional) {
  EXPECT_EQ(flags({"a.cfg", "--batch", "3", "b"}).positional, (std::vector<std::string>{"a.cfg", "b"}));
  EXPECT_EQ(flags({"--name", "-3"}).find("name"), "-3");
}

TEST_F(OptionSetTest, UnknownFlagsNameTheNearest) {
  EXPECT_THAT(usage_error({"--lerning-rate", "0.1"}),
              AllOf(HasSubstr("--lerning-rate"), HasSubstr("'--learning-rate'")));
  EXPECT_THAT(usage_error({"--zzz", "1"}), AllOf(HasSubstr("--zzz"), Not(HasSubstr("did you mean"))));
  EXPECT_THAT(usage_error({"-n", "4"}), HasSubstr("-n"));
  // No key is cut short: a later version may have another with the same beginning.
  EXPECT_THAT(usage_error({"--bat", "4"}), HasSubstr("--bat"));
}

TEST_F(OptionSetTest, ValuesOfLaterVersionsAreToldFromTypingErrors) {
  EXPECT_THAT(usage_error({"--kind", "oval"}), AllOf(HasSubstr("not supported by this version"), HasSubstr("square")));
}

TEST_F(OptionSetTest, ValuesThatDoNotParseTellKeyValueAndExpectation) {
  EXPECT_EQ(usage_error({"--batch", "many"}), "--batch many: expected a whole number from 1 to 1000");
  EXPECT_EQ(usage_error({"--batch", "0"}), "--batch 0: expected a whole number from 1 to 1000");
  EXPECT_EQ(usage_error({"--learning-rate", "-1"}), "--learning-rate -1: expected a number from 0 to 10");
  EXPECT_EQ(usage_error({"--learning-rate", "11"}), "--learning-rate 11: expected a number from 0 to 10");
  EXPECT_EQ(usage_error({"--epochs", "-1"}), "--epochs -1: expected a number, at least 0");
  EXPECT_EQ(usage_error({"--exact", "yes"}), "--exact yes: expected on or off");
  EXPECT_EQ(usage_error({"--kind", "flat"}), "--kind flat: expected one of round, square");
  EXPECT_THAT(usage_error({"--name", "a#b"}), HasSubstr("--name a#b"));
}

TEST_F(OptionSetTest, IncompleteAndRepeatedFlags) {
  EXPECT_THAT(usage_error({"--batch"}), AllOf(HasSubstr("--batch"), HasSubstr("value")));
  EXPECT_THAT(usage_error({"--batch", "--exact", "on"}), HasSubstr("--batch"));
  EXPECT_THAT(usage_error({"--resume=on"}), AllOf(HasSubstr("--resume"), HasSubstr("no value")));
  EXPECT_THAT(usage_error({"--batch", "1", "--batch", "2"}), AllOf(HasSubstr("--batch"), HasSubstr("twice")));
}

TEST_F(OptionSetTest, RecipesAreKeyValueLines) {
  set_.apply(
      set_.read_recipe(recipe_file("# a comment\n\n  batch = 7  # more\nname=a b\nresume = on\nexact = on\r\n")));
  EXPECT_EQ(o_.batch, 7);
  EXPECT_EQ(o_.name, "a b");
  EXPECT_TRUE(o_.resume);
  EXPECT_TRUE(o_.exact);
}

TEST_F(OptionSetTest, RecipeErrorsTellFileAndLine) {
  EXPECT_THAT(recipe_error("batch = 1\n\nbatsh = 2\n"),
              AllOf(HasSubstr("r.cfg:3"), HasSubstr("batsh"), HasSubstr("'batch'")));
  EXPECT_THAT(recipe_error("\nbatch = x\n"), AllOf(HasSubstr("r.cfg:2: batch = x"), HasSubstr("whole number")));
  EXPECT_THAT(recipe_error("batch 3\n"), AllOf(HasSubstr("r.cfg:1"), HasSubstr("batch 3"), HasSubstr("key = value")));
  EXPECT_THAT(recipe_error("[train]\nbatch = 3\n"), HasSubstr("r.cfg:1"));
  EXPECT_THAT(recipe_error("batch = 1\nbatch = 2\n"), AllOf(HasSubstr("r.cfg:2"), HasSubstr("twice")));
  // How an answer is printed is no part of a recipe.
  EXPECT_THAT(recipe_error("json = on\n"), HasSubstr("json"));
}

TEST_F(OptionSetTest, RecipesThatCannotBeReadAreNamed) {
  EXPECT_THAT(error_of(ExitCode::usage, [&] { set_.read_recipe("nowhere.cfg"); }), HasSubstr("nowhere.cfg"));
  EXPECT_THAT(error_of(ExitCode::usage, [&] { set_.read_recipe(folder_.path()); }), HasSubstr(folder_.path()));
}

TEST_F(OptionSetTest, FlagsBeatTheRecipe) {
  set_.apply(set_.read_recipe(recipe_file("batch = 7\nname = recipe\n")));
  apply({"--batch", "9"});
  EXPECT_EQ(o_.batch, 9);
  EXPECT_EQ(o_.name, "recipe");
}

TEST_F(OptionSetTest, AlternativesReplaceEachOther) {
  set_.apply(set_.read_recipe(recipe_file("epochs = 12\n")));
  apply({"--steps", "100"});
  EXPECT_EQ(o_.steps, 100);
  EXPECT_EQ(o_.epochs, 0);
  EXPECT_THAT(usage_error({"--steps", "1", "--epochs", "2"}), AllOf(HasSubstr("--epochs"), HasSubstr("steps")));
  EXPECT_THAT(recipe_error("epochs = 2\nsteps = 1\n"), HasSubstr("r.cfg:2"));
}

TEST_F(OptionSetTest, ARecipeWrittenReadsBackTheSame) {
  apply({"--batch", "9", "--epochs", "2.5", "--resume", "--exact", "on", "--learning-rate", "0.3", "--name", ""});
  const std::string written = set_.recipe();
  EXPECT_THAT(written, AllOf(HasSubstr("batch = 9\n"), HasSubstr("epochs = 2.5\n"), Not(HasSubstr("steps")),
                             Not(HasSubstr("json")), Not(HasSubstr("resume"))));
  apply({"--batch", "1", "--steps", "3", "--exact", "off", "--learning-rate", "1", "--name", "x"});
  set_.apply(set_.read_recipe(recipe_file(written)));
  EXPECT_EQ(set_.recipe(), written);
}

TEST_F(OptionSetTest, HelpTellsEveryKeyAndItsDefault) {
  const std::string help = set_.help();
  for (const char* key :
       {"--name", "--kind", "--batch", "--steps", "--epochs", "--learning-rate", "--exact", "--resume"}) {
    EXPECT_THAT(help, HasSubstr(key));
  }
  EXPECT_THAT(help, HasSubstr("(default 64)"));
  EXPECT_THAT(help, HasSubstr("Usage: convoy test [RECIPE] --name X"));
  EXPECT_TRUE(OptionSet::wants_help({"a", "--help"}));
  EXPECT_FALSE(OptionSet::wants_help({"a"}));
}

}  // namespace
}  // namespace convoy
