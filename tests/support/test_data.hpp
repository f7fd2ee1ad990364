// Data that tests cannot make themselves.
#pragma once

#include <cstdlib>
#include <string>

namespace convoy {

/// The folder that CONVOY_TEST_DATA names, or ../shared/data beside the repository.
inline std::string test_data() {
  const char* folder = std::getenv("CONVOY_TEST_DATA");
  return folder ? folder : std::string(CONVOY_SOURCE_DIR) + "/../shared/data";
}

}  // namespace convoy
