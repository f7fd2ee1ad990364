// A made-up /proc and /sys.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_folder.hpp"

namespace convoy {

/// `groups` is what /proc/self/cgroup says.
struct MadeUpMachine {
  explicit MadeUpMachine(const std::string& groups) { write("proc/self", "cgroup", groups); }
  void write(const std::string& below, const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(folder / below);
    std::ofstream(folder / (below + "/" + name)) << text;
  }
  TempFolder folder;
};

}  // namespace convoy
