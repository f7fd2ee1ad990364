// The message of an expected error.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/base/error.hpp"

namespace convoy {

/// What `action` throws must be an Error of one line and of this code; returns its message.
template <typename Action>
std::string error_of(ExitCode code, Action action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

}  // namespace convoy
