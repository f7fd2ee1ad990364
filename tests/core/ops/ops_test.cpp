// Every op case against the oracle, against finite differences of the oracle's loss, and against itself on teams: on
// the CPU, on CUDA on the CPU and on a GPU (see tests/support/tested_device.cpp).
#include <gtest/gtest.h>

#include <barrier>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <thread>

#include "core/base/error.hpp"
#include "core/base/parallel.hpp"
#include "core/base/random.hpp"
#include "tests/core/ops/tested_op.hpp"

namespace convoy::testing {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(CONVOY_TEST_CUDA)
const std::vector<int> thread_counts{1};  // ThreadSanitizer does not understand OpenMP's barriers, a GPU has no threads
#else
const std::vector<int> thread_counts{1, 2};
#endif

constexpr double ulp = 0x1p-24;  // the largest relative error of rounding to fp32

/// Rounding errors of a sum of n terms in fp32, taken in any order, behave as a random walk: about sqrt(n) roundings of
/// partial sums no larger than the terms together (N. Higham and T. Mary, SIAM J. Sci. Comput. 41(5), 2019). Four
/// standard deviations, and a rounding for each of the two factors and for the result. A term too many or too few
/// changes the sum by 1/n of that size and shows up to n = 40,000.
double tolerance(const Sum& sum, double term_error) {
  return ulp * sum.magnitude * (3 * term_error + 4 * std::sqrt(sum.terms));
}

void expect_near(const std::vector<float>& actual, const Sums& expected, double term_error, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(actual[i]), expected[i].value, tolerance(expected[i], term_error))
        << what << ", element " << i << " of " << actual.size() << ", a sum of " << expected[i].terms;
  }
}

class OpTest : public ::testing::TestWithParam<OpCase> {
 protected:
  OpTest() : op_(make_tested_op(GetParam())) {}

  void SetUp() override {
    if (const std::string reason = tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
    device_ = make_tested_device();
  }
  void prepare(int teams, int threads) {
    op_->prepare(*device_, {.batch = GetParam().batch, .teams = teams, .threads = threads});
  }
  OpResult run(const OpData& data, int team = 0) {
    return op_->run(team, data, Write::overwrite, std::vector<float>(data.inputs[0].size(), NAN));
  }

  std::unique_ptr<Device> device_;
  const std::unique_ptr<TestedOp> op_;
};

class OpGradientTest : public OpTest {};
class OpInputGradientTest : public OpTest {};

TEST_P(OpTest, MatchesOracle) {
  const OpData data = op_->data(1);
  const auto inputs = as_doubles(data.inputs);
  const Sums output = op_->output(inputs, data);
  const std::vector<Sums> gradients = op_->gradients(inputs, data);
  for (const int threads : thread_counts) {
    SCOPED_TRACE(concat(threads, " threads"));
    prepare(1, threads);
    const OpResult result = run(data);
    expect_near(result.y, output, op_->term_error(), "output");
    ASSERT_EQ(result.gradients.size(), gradients.size());
    for (size_t g = 0; g < gradients.size(); ++g) {
      if (!gradients[g].empty()) {
        expect_near(result.gradients[g], gradients[g], op_->term_error(), concat("gradient ", g));
      }
    }
  }
}

TEST_P(OpGradientTest, IsTheSlopeOfTheLoss) {
  const OpData data = op_->data(2);
  const std::vector<Doubles> inputs = as_doubles(data.inputs);
  const std::vector<Sums> gradients = op_->gradients(inputs, data);
  prepare(1, 1);
  const OpResult result = run(data);

  const auto loss = [&](const std::vector<Doubles>& at) {
    const Sums y = op_->output(at, data);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(data.dy[i]) * y[i].value;
    return sum;
  };
  const RandomStream random(3, RandomPurpose::test, 0);
  for (size_t g = 0; g < gradients.size(); ++g) {
    // Some elements of each: every one costs two runs of the oracle.
    for (uint64_t draw = 0; draw < 8 && !gradients[g].empty(); ++draw) {
      const size_t i = random.block(draw).word[0] % gradients[g].size();
      constexpr double h = 1e-4;
      std::vector<Doubles> right = inputs, left = inputs;
      right[g][i] += h;
      left[g][i] -= h;
      const double slope = (loss(right) - loss(left)) / (2 * h);
      // Central differences err by h^2/6 of the third derivative: 2e-9 of the terms, where there is one at all.
      const double difference = 1e-8 * (gradients[g][i].magnitude + 1);
      EXPECT_NEAR(static_cast<double>(result.gradients[g][i]), slope,
                  tolerance(gradients[g][i], op_->term_error()) + difference)
          << "gradient " << g << ", element " << i;
    }
  }
}

TEST_P(OpInputGradientTest, Accumulates) {
  const OpData data = op_->data(4);
  std::vector<Sums> gradients = op_->gradients(as_doubles(data.inputs), data);
  std::vector<float> before(data.inputs[0].size());
  const RandomStream random(5, RandomPurpose::test, 0);
  for (size_t i = 0; i < before.size(); ++i) {
    before[i] = random.uniform(i) - 0.5f;
    gradients[0][i].add(static_cast<double>(before[i]));
  }
  for (const int threads : thread_counts) {
    prepare(1, threads);
    const OpResult result = op_->run(0, data, Write::accumulate, before);
    expect_near(result.gradients[0], gradients[0], op_->term_error(), concat("sum, ", threads, " threads"));
  }
}

#if !defined(CONVOY_TEST_CUDA)  // on a GPU there is one team

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

TEST_P(OpTest, TeamsAtOnceGiveTheBitsOfASerialRun) {
  constexpr int teams = 2;
  const OpData data[teams] = {op_->data(6), op_->data(7)};
  for (const int threads : thread_counts) {
    prepare(1, threads);
    const OpResult serial[teams] = {run(data[0]), run(data[1])};
    prepare(teams, threads);
    OpResult together[teams];
    std::barrier start(teams);
    std::vector<std::thread> workers;
    for (int team = 0; team < teams; ++team) {
      workers.emplace_back([&, team] {
        start.arrive_and_wait();
        for (int round = 0; round < 3; ++round) together[team] = run(data[team], team);
      });
    }
    for (std::thread& worker : workers) worker.join();
    for (int team = 0; team < teams; ++team) {
      SCOPED_TRACE(concat("team ", team, " of ", threads, " threads"));
      EXPECT_TRUE(same_bits(together[team].y, serial[team].y));
      for (size_t g = 0; g < serial[team].gradients.size(); ++g) {
        EXPECT_TRUE(same_bits(together[team].gradients[g], serial[team].gradients[g])) << "gradient " << g;
      }
    }
  }
}

size_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task"), end;
  return static_cast<size_t>(std::distance(tasks, end));
}

/// libgomp keeps the threads of a region for the thread that opened it, so on a new thread none are there yet.
TEST_P(OpTest, OpensNoParallelRegionForOneThread) {
  const OpData data = op_->data(8);
  std::thread([&] {
    const TeamThreads more(3);
    const size_t before = threads_of_this_process();
    prepare(1, 1);
    run(data);
    EXPECT_EQ(threads_of_this_process(), before);
    EXPECT_EQ(team_threads(), 3) << "the caller's setting is put back";
  }).join();
}

#endif

std::vector<OpCase> cases_where(bool (TestedOp::*holds)() const) {
  std::vector<OpCase> out;
  for (const OpCase& op_case : all_cases()) {
    if ((*make_tested_op(op_case).*holds)()) out.push_back(op_case);
  }
  return out;
}

const auto name_of_case = [](const auto& instance) { return instance.param.name; };
INSTANTIATE_TEST_SUITE_P(Cases, OpTest, ::testing::ValuesIn(all_cases()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Cases, OpGradientTest, ::testing::ValuesIn(cases_where(&TestedOp::differentiable)),
                         name_of_case);
INSTANTIATE_TEST_SUITE_P(Cases, OpInputGradientTest, ::testing::ValuesIn(cases_where(&TestedOp::has_input_gradient)),
                         name_of_case);

}  // namespace
}  // namespace convoy::testing
