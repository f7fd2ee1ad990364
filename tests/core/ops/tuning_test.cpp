#include "core/ops/tuning.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "core/base/isa.hpp"
#include "core/ops/conv/pass.hpp"

namespace convoy {
namespace {

/// Counts its runs; a slow one sleeps much longer than any hesitation of the machine.
struct Work {
  int runs = 0;
  bool slow = false;
  void operator()() {
    ++runs;
    if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
};

TEST(Tuning, KeepsTheFastest) {
  Work slow{.slow = true}, fast;
  const std::vector<Tuning::Candidate> candidates{{"slow", std::ref(slow)}, {"fast", std::ref(fast)}};
  Tuning tuning;
  EXPECT_EQ(tuning.choose("key", candidates), 1);
  EXPECT_EQ(slow.runs, 2) << "twice as slow after two rounds: not run again";
  EXPECT_GT(fast.runs, 2);
  const Tuning::Measured& entry = tuning.entries().at("key");
  EXPECT_EQ(entry.choice, "fast");
  EXPECT_GT(entry.seconds.at("slow"), entry.seconds.at("fast"));

  const int runs = fast.runs;
  EXPECT_EQ(tuning.choose("key", candidates), 1);
  EXPECT_EQ(fast.runs, runs) << "measured once";
}

TEST(Tuning, PrefersTheFirstUnlessAnotherIsClearlyFaster) {
  Work one{.slow = true}, other{.slow = true};
  const std::vector<Tuning::Candidate> candidates{{"one", std::ref(one)}, {"other", std::ref(other)}};
  Tuning tuning;
  EXPECT_EQ(tuning.choose("key", candidates), 0);
}

TEST(Tuning, TakesAChoiceMadeElsewhere) {
  Work slow{.slow = true}, fast;
  const std::vector<Tuning::Candidate> candidates{{"fast", std::ref(fast)}, {"slow", std::ref(slow)}};
  Tuning tuning;
  tuning.keep("key", "slow");
  EXPECT_EQ(tuning.choose("key", candidates), 1);
  EXPECT_EQ(slow.runs + fast.runs, 0);
  EXPECT_TRUE(tuning.entries().at("key").seconds.empty());
}

TEST(Tuning, MeasuresAnewWhereTheChoiceIsGone) {
  Work slow{.slow = true}, fast;
  const std::vector<Tuning::Candidate> candidates{{"slow", std::ref(slow)}, {"fast", std::ref(fast)}};
  Tuning tuning;
  tuning.keep("key", "another machine's");
  EXPECT_EQ(tuning.choose("key", candidates), 1);
  EXPECT_EQ(tuning.entries().at("key").choice, "fast");
}

TEST(Tuning, NeedNotMeasureOne) {
  Work only;
  const std::vector<Tuning::Candidate> candidates{{"only", std::ref(only)}};
  Tuning tuning;
  EXPECT_EQ(tuning.choose("key", candidates), 0);
  EXPECT_EQ(only.runs, 0);
  EXPECT_EQ(tuning.entries().at("key").choice, "only");
}

TEST(Tuning, RecallMeasuresNothing) {
  const auto device = make_cpu_device();
  const ConvSpec spec{.input = {16, 16, 32}, .filters = 32, .kernel = {3, 3}};
  Tuning recall(Tuning::Mode::recall);
  const auto direct = make_conv(*device, spec, {})->algorithms();
  EXPECT_EQ(make_conv(*device, spec, {.tuning = &recall})->algorithms(), direct);
  EXPECT_TRUE(recall.entries().empty());
  for (const char* pass : {"forward", "backward data", "backward weights"}) {
    recall.keep(conv_tuning_key(spec, {.tuning = &recall}, pass), "rows");
  }
  const auto recalled = make_conv(*device, spec, {.tuning = &recall})->algorithms();
  EXPECT_EQ(recalled != direct, cpu_has_avx2());
}

}  // namespace
}  // namespace convoy
