// Trajectories against figures that PyTorch gave once (tests/golden/make).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/layers/layer_table.hpp"
#include "tests/golden/golden_run.hpp"

namespace convoy::golden {
namespace {

const Json& golden() {
  static const Json json = read_json("golden.json");
  return json;
}

std::string name_of(const Json& run) {
  std::string name = run.at("net").get<std::string>() + "_" + run.at("optimizer").get<std::string>();
  for (const char* key : {"momentum", "clip-norm"}) name += run.contains(key) ? std::string("_") + key : "";
  std::ranges::replace(name, '-', '_');
  return name;
}

class Golden : public ::testing::TestWithParam<Json> {
 protected:
  void SetUp() override {
    if (const std::string reason = testing::tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
  }
};

/// 20 fp32 steps stay within 1e-4 of float64's, and so does one batch with the running statistics. PyTorch's own fp32
/// is within 1e-5 (make sees to that), so the room is for another order of sums and no more.
TEST_P(Golden, LossesAreThoseOfAnotherFramework) {
  const Json& run = GetParam();
  const int64_t batch = golden().at("batch");
  GoldenRun training(run, batch, 1);
  const std::vector<double> losses = run.at("losses");
  ASSERT_EQ(losses.size(), 20u);
  for (size_t i = 0; i < losses.size(); ++i) {
    ASSERT_NEAR(training.step(static_cast<int64_t>(i)), losses[i], 1e-4 * losses[i]) << "step " << i;
  }
  const double expected = run.at("evaluation");
  EXPECT_NEAR(training.evaluate(static_cast<int64_t>(losses.size())), expected, 1e-4 * expected);
}

INSTANTIATE_TEST_SUITE_P(Runs, Golden, ::testing::ValuesIn(golden().at("runs").begin(), golden().at("runs").end()),
                         [](const auto& of) { return name_of(of.param); });

TEST(GoldenFigures, HoldEveryOptimizer) {
  std::vector<std::string> missing = optimizer_names();
  for (const Json& run : golden().at("runs")) std::erase(missing, run.at("optimizer").get<std::string>());
  EXPECT_EQ(missing, std::vector<std::string>());
}

TEST(GoldenFigures, HoldEveryKindOfLayer) {
  std::set<std::string> missing;
  for (const LayerKind& kind : layer_table()) missing.insert(kind.name);
  for (const auto& [net, parameters] : golden().at("parameters").items()) {
    for (const LayerLine& line : read_network(path_of(net + ".net")).lines) missing.erase(line.kind);
  }
  EXPECT_EQ(missing, std::set<std::string>());
}

}  // namespace
}  // namespace convoy::golden
