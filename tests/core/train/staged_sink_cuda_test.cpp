// On a device with memory of its own: a GPU, or CUDA on the CPU.
#include "core/train/staged_sink.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>

#include "tests/support/tested_device.hpp"

namespace convoy::testing {
namespace {

/// Two segments of 100 and 300 elements, 128 and 320 with their padding.
SegmentTable two_segments() {
  SegmentTable table;
  table.add({.name = "a", .shape = {100}});
  table.add({.name = "b", .shape = {300}});
  return table;
}

/// Looks at the host's gradients when it is told that they are ready, and takes a step at the end.
class LookingSink : public GradientSink {
 public:
  explicit LookingSink(const ParameterArena& host) : host_(host) {}
  void begin(int64_t, float) override { seen.clear(), ends.clear(); }
  void ready(size_t end) override {
    if (fails) throw std::runtime_error("no exchange today");
    ends.push_back(end);
    const auto gradients = host_.gradients().first(end);
    seen.assign(gradients.begin(), gradients.end());
  }
  void finish(std::span<double> totals) override {
    for (double& total : totals) total *= 2;
    for (size_t i = 0; i < host_.weights().size(); ++i) host_.weights()[i] -= host_.gradients()[i];
  }
  double exchange_seconds() const override { return 3; }
  double update_seconds() const override { return 4; }
  void gather_state() override { gathered = true; }

  std::vector<float> seen;
  std::vector<size_t> ends;
  bool fails = false, gathered = false;

 private:
  const ParameterArena& host_;
};

class StagedSinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
    device_ = make_tested_device();
    device_storage_ = DeviceBuffer(*device_, ParameterArena::bytes(table_, 0), "parameters");
    host_storage_ = DeviceBuffer(*cpu_, ParameterArena::bytes(table_, 1), "parameters");
    on_device_.emplace(table_, 0, std::span(device_storage_.data(), device_storage_.bytes()));
    host_.emplace(table_, 1, std::span(host_storage_.data(), host_storage_.bytes()));
    auto inner = std::make_unique<LookingSink>(*host_);
    inner_ = inner.get();
    sink_.emplace(*device_, *on_device_, *host_, std::move(inner));
  }
  void TearDown() override { sink_.reset(); }

  /// Gradients of one step: element i has `first` + i.
  std::vector<float> make_gradients(float first) {
    std::vector<float> values(table_.size());
    std::iota(values.begin(), values.end(), first);
    device_->upload(on_device_->gradients().data(), values.data(), values.size() * sizeof(float));
    return values;
  }

  const SegmentTable table_ = two_segments();
  const std::unique_ptr<Device> cpu_ = make_cpu_device();
  std::unique_ptr<Device> device_;
  DeviceBuffer device_storage_, host_storage_;
  std::optional<ParameterArena> on_device_, host_;
  LookingSink* inner_ = nullptr;
  std::optional<StagedSink> sink_;
};

TEST_F(StagedSinkTest, HandsOnWhatIsThereAndBringsBackNewWeights) {
  std::vector<float> expected(table_.size());
  for (int64_t step = 0; step < 3; ++step) {
    const std::vector<float> gradients = make_gradients(static_cast<float>(1000 * step));
    sink_->begin(step, 0.1f);
    sink_->ready(128);
    sink_->ready(table_.size());
    std::vector<double> totals{21};
    sink_->finish(totals);
    EXPECT_EQ(totals, std::vector<double>{42});
    EXPECT_EQ(inner_->ends, (std::vector<size_t>{128, table_.size()}));
    EXPECT_EQ(inner_->seen, gradients);
    std::vector<float> weights(table_.size());
    device_->download(weights.data(), on_device_->weights().data(), weights.size() * sizeof(float));
    for (size_t i = 0; i < expected.size(); ++i) expected[i] -= gradients[i];
    EXPECT_EQ(weights, expected);
  }
  sink_->gather_state();
  EXPECT_TRUE(inner_->gathered);
  EXPECT_EQ(sink_->exchange_seconds(), 3);
  EXPECT_EQ(sink_->update_seconds(), 4);
}

TEST_F(StagedSinkTest, TellsWhatTheExchangeRanInto) {
  inner_->fails = true;
  make_gradients(0);
  sink_->begin(0, 0.1f);
  sink_->ready(table_.size());
  std::vector<double> totals;
  EXPECT_THROW(sink_->finish(totals), std::runtime_error);
}

}  // namespace
}  // namespace convoy::testing
