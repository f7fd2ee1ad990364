#include "core/device/device.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdint>

#include "core/base/error.hpp"

namespace convoy {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(CpuDevice, GivesZeroedMemoryOnPageBorders) {
  const auto device = make_cpu_device();
  for (const size_t bytes : {size_t{1}, size_t{4096}, size_t{5000}, (size_t{4} << 20) + 1}) {
    // Twice, the first time dirtied: freed memory comes back from the allocator as it was left.
    for (int round = 0; round < 2; ++round) {
      const DeviceBuffer buffer(*device, bytes, "a test");
      ASSERT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 4096, 0u) << bytes;
      EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + bytes, [](std::byte b) { return b == std::byte{0}; }));
      std::fill_n(buffer.data(), bytes, std::byte{0xA5});
    }
  }
}

TEST(CpuDevice, MovesOwnership) {
  const auto device = make_cpu_device();
  DeviceBuffer a(*device, 100, "a test");
  std::byte* const data = a.data();
  const DeviceBuffer b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(b.bytes(), 100u);
}

TEST(CpuDevice, NamesPurposeAndSizeWhenMemoryIsShort) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers end the program where malloc would return null";
#endif
  const auto device = make_cpu_device();
  for (const size_t bytes : {size_t{1} << 60, ~size_t{0}}) {
    try {
      device->allocate(bytes, "activations");
      FAIL() << "allocated " << bytes;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::out_of_memory);
      EXPECT_THAT(error.what(), AllOf(HasSubstr("activations"), HasSubstr("iB")));
    }
  }
}

TEST(CpuDevice, DescribesItself) {
  const std::string text = make_cpu_device()->describe();
  EXPECT_THAT(text, MatchesRegex("CPU, [0-9]+ threads?, (sse|avx)[a-z0-9_]+, oneDNN [0-9]+\\.[0-9]+\\.[0-9]+"));
}

TEST(CudaDevice, SaysWhyItIsNotThere) {
  const std::string reason = cuda_unavailable_reason();
  ASSERT_FALSE(reason.empty());
  try {
    make_cuda_device(0);
    FAIL() << "this version has no CUDA engine";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), AllOf(HasSubstr(reason), EndsWith("use --backend cpu")));
  }
}

}  // namespace
}  // namespace convoy
