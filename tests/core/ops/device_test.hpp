// A test of ops on the tested device, skipped where there is none.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/core/ops/on_device.hpp"

namespace convoy::testing {

class DeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = tested_device_missing(); !reason.empty()) GTEST_SKIP() << reason;
    device_ = make_tested_device();
  }

  std::unique_ptr<Device> device_;
};

}  // namespace convoy::testing
