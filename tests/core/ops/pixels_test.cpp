#include "core/ops/pixels.hpp"

#include <cmath>
#include <vector>

#include "tests/support/tested_device.hpp"

namespace convoy {
namespace {

using testing::OnDevice;

class PixelsTest : public testing::DeviceTest {
 protected:
  /// y[i] for pixels that begin `skipped` elements behind a border of the memory.
  template <typename Stored>
  void expect_right(const PixelsSpec& spec, int64_t batch, size_t skipped) {
    const size_t count = static_cast<size_t>(batch * spec.input.count()), channels = spec.mean.size();
    std::vector<Stored> pixels(skipped + count);
    for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<Stored>(i * 37 % 256);
    const OnDevice stored(*device_, pixels);
    const OnDevice y(*device_, std::vector<float>(count, NAN));
    make_pixels(*device_, spec, {.batch = batch})->forward({}, stored.data() + skipped, y.data());
    const std::vector<float> out = y.values();
    for (size_t i = 0; i < count; ++i) {
      const size_t c = i % channels;
      ASSERT_EQ(out[i], (static_cast<float>(pixels[skipped + i]) - spec.mean[c]) * spec.scale[c])
          << i << " of " << count << ", skipped " << skipped;
    }
  }
};

TEST_F(PixelsTest, AnyNumberOfChannelsFromAnyPlace) {
  for (const int64_t channels : {1, 2, 3, 4, 5, 6, 300}) {
    PixelsSpec spec{.input = {7, 33, channels}};
    for (int64_t c = 0; c < channels; ++c) {
      spec.mean.push_back(static_cast<float>(c % 50 + 3));
      spec.scale.push_back(1 / static_cast<float>(c % 9 + 2));
    }
    for (const size_t skipped : {0, 1, 2, 4}) {
      spec.dtype = DType::u8;
      expect_right<uint8_t>(spec, 5, skipped);
      spec.dtype = DType::f32;
      expect_right<float>(spec, 5, skipped);
    }
  }
}

}  // namespace
}  // namespace convoy
