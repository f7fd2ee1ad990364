// On a device with memory of its own: a GPU, or CUDA on the CPU.
#include "core/train/lane_input.hpp"

#include <gtest/gtest.h>

#include "tests/core/train/small_run.hpp"
#include "tests/support/tested_device.hpp"

namespace convoy {
namespace {

class LaneInputTest : public testing::DeviceTest {
 protected:
  /// What stands at the place: a pixel, a label and the position.
  struct Seen {
    float pixel;
    int32_t label;
    int64_t position;
    bool operator==(const Seen&) const = default;
  };
  Seen seen(const NetBatch& batch) {
    Seen out{};
    device_->download(&out.pixel, batch.pixels, sizeof out.pixel);
    device_->download(&out.label, batch.labels, sizeof out.label);
    device_->download(&out.position, batch.position, sizeof out.position);
    return out;
  }
  static Seen expected(const SmallData& data, int64_t image) {
    const auto at = static_cast<size_t>(image);
    return {.pixel = data.pixels[at * small_image], .label = data.labels[at], .position = image};
  }
};

TEST_F(LaneInputTest, APassIsReadWhereAllAreWhileTheNextShareIsCopied) {
  constexpr int64_t images = 3, passes = 2, share = images * passes;
  const SmallRun run({.lane_batch = images}, {.name = "sgd"}, small_network, testing::make_tested_device());
  const SmallData data(3 * share);
  LaneInput input(*device_, run.net, images, passes);
  input.feed(data.batch(0, share));
  for (int64_t step = 0; step < 2; ++step) {
    const Seen first = seen(input.pass(0));
    EXPECT_EQ(first, expected(data, step * share));
    const NetBatch last = input.pass(1);
    input.wait();
    input.feed(data.batch((step + 1) * share, share));
    input.wait();  // however early it is copied, the pass that was brought before stays
    EXPECT_EQ(seen(last), expected(data, step * share + images));
  }
  EXPECT_EQ(seen(input.pass(0)), expected(data, 2 * share));
}

TEST_F(LaneInputTest, EvaluationLeavesWhatWasFed) {
  const SmallRun run({.lane_batch = 4}, {.name = "sgd"}, small_network, testing::make_tested_device());
  const SmallData data(8);
  LaneInput input(*device_, run.net, 4, 1);
  input.feed(data.batch(0, 4));
  const NetBatch other{.pixels = data.pixels.data() + 4 * small_image, .labels = data.labels.data() + 4};
  const NetBatch taken = input.take(other);
  EXPECT_EQ(taken.position, nullptr);
  EXPECT_EQ(seen({taken.pixels, taken.labels, input.place().position}).label, data.labels[4]);
  EXPECT_EQ(input.take({.pixels = data.pixels.data()}).labels, nullptr);
  EXPECT_EQ(seen(input.pass(0)), expected(data, 0));
}

}  // namespace
}  // namespace convoy
