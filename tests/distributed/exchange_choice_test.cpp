#include "distributed/exchange_choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/error.hpp"
#include "tests/distributed/node_groups.hpp"

namespace convoy {
namespace {

using testing::HasSubstr;

TEST(ExchangeChoice, IsReadAsItWasWritten) {
  for (const ExchangeKind kind : {ExchangeKind::flat, ExchangeKind::hierarchical}) {
    for (const size_t bytes : {size_t{1}, size_t{4194304}, size_t{1} << 40}) {
      const ExchangeChoice choice{.kind = kind, .bucket_bytes = bytes};
      const ExchangeChoice read = ExchangeChoice::parse(choice.text(), "x");
      EXPECT_EQ(read.kind, kind);
      EXPECT_EQ(read.bucket_bytes, bytes);
    }
  }
  EXPECT_EQ(ExchangeChoice().text(), "hierarchical, 4194304");
}

TEST(ExchangeChoice, OtherTextsAreRefusedByName) {
  for (const char* text :
       {"", "flat", "flat,", "flat, ", "flat 4096", "flat, 0", "flat, -5", "flat, many", "flat, 4096 or so",
        "flat, 1e6", "direct, 4096", "flat, 99999999999999999999999", "Flat, 4096", " flat, 4096"}) {
    try {
      ExchangeChoice::parse(text, "run/tuning.json");
      ADD_FAILURE() << "'" << text << "' was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data);
      EXPECT_THAT(error.what(), HasSubstr(concat("run/tuning.json: '", text, "' is not")));
    }
  }
}

/// The answers of all workers.
std::vector<std::string> answers_of(const std::vector<int>& sizes, const ExchangeQuestion& question) {
  const Topology topology(machines_of(sizes), 0);
  std::vector<std::string> answers(static_cast<size_t>(topology.ranks()));
  run_groups(topology, [&](WorkerGroups& groups) {
    answers[static_cast<size_t>(groups.everybody->rank())] = choose_exchange(groups, question).text();
  });
  return answers;
}

TEST(ExchangeChoice, IsTheSameForAll) {
  for (const auto& sizes : {std::vector{2}, std::vector{2, 2}, std::vector{2, 1}, std::vector{1, 1}}) {
    for (const AcrossNodes across : {AcrossNodes::copies, AcrossNodes::parts}) {
      const auto answers =
          answers_of(sizes, {.elements = 1 << 19, .wire = Wire::bf16, .across_nodes = across, .communicator = patient});
      EXPECT_THAT(answers, testing::Each(answers[0]));
      const ExchangeChoice choice = ExchangeChoice::parse(answers[0], "the answer");
      EXPECT_TRUE(sizes.size() > 1 || choice.kind == ExchangeKind::hierarchical) << "one node has nothing to choose";
      EXPECT_LE(choice.bucket_bytes, size_t{4} << 20) << "larger ones are the same for 2 MiB";
    }
  }
}

TEST(ExchangeChoice, KeepsWhatIsSettled) {
  const ExchangeKind flat = ExchangeKind::flat;
  const auto kind_settled = answers_of({1, 1}, {.elements = 1 << 19, .communicator = patient, .kind = &flat});
  EXPECT_THAT(kind_settled, testing::Each(testing::StartsWith("flat, ")));
  const auto bucket_settled = answers_of({1, 1}, {.elements = 1 << 16, .communicator = patient, .bucket_bytes = 12345});
  EXPECT_THAT(bucket_settled, testing::Each(testing::EndsWith(", 12345")));
}

// Without communicators: whoever measures, crashes.
TEST(ExchangeChoice, MeasuresNothingThatIsSettled) {
  const ExchangeKind kinds[] = {ExchangeKind::flat, ExchangeKind::hierarchical};
  WorkerGroups groups;
  groups.topology = Topology(machines_of({2, 2}), 0);
  for (const ExchangeKind& kind : kinds) {
    const auto choice = choose_exchange(groups, {.elements = 1 << 20, .kind = &kind, .bucket_bytes = 4096});
    EXPECT_EQ(choice.kind, kind);
    EXPECT_EQ(choice.bucket_bytes, 4096u);
    // Buckets of so few gradients are all the same.
    EXPECT_EQ(choose_exchange(groups, {.elements = 1 << 18, .kind = &kind}).kind, kind);
  }
  groups.topology = Topology(machines_of({4}), 0);
  EXPECT_EQ(choose_exchange(groups, {.elements = 1 << 18}).text(), ExchangeChoice().text());
  EXPECT_EQ(choose_exchange(groups, {.elements = 1 << 20, .bucket_bytes = 4096}).text(), "hierarchical, 4096");
}

}  // namespace
}  // namespace convoy
