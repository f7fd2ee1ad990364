// The device that is tested, and its memory: what a test puts there and takes back.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/device/device.hpp"

namespace convoy::testing {

/// The device that this test program tests: each is built from the same cases, and says why where it cannot run.
std::unique_ptr<Device> make_tested_device();
/// Why there is none, or "".
std::string tested_device_missing();

/// For tests that need one.
class DeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
    device_ = make_tested_device();
  }

  std::unique_ptr<Device> device_;
};

/// A copy of a vector in the device's memory.
template <typename T>
class OnDevice {
 public:
  OnDevice(Device& device, const std::vector<T>& values)
      : device_(&device), size_(values.size()), memory_(device, values.size() * sizeof(T), "a test") {
    device.upload(memory_.data(), values.data(), size_ * sizeof(T));
  }
  T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  /// What stands there now.
  std::vector<T> values() const {
    std::vector<T> out(size_);
    device_->download(out.data(), memory_.data(), size_ * sizeof(T));
    return out;
  }

 private:
  Device* device_;
  size_t size_;
  DeviceBuffer memory_;
};

}  // namespace convoy::testing
