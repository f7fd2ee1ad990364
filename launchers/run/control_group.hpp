// The control groups that this process is in, as containers and batch systems set their limits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace convoy {

/// Folders of this process's group of a controller ("cpu", "memory") and of those around it, innermost first; cgroup v2
/// and v1. `root` stands before /proc and /sys, for tests.
std::vector<std::string> control_groups(const std::string& controller, const std::string& root = "");

/// The first line of a file; "" where there is none.
std::string first_line(const std::string& path);

/// Bytes that this process may still take: what the machine has available, or what its control groups leave it, if that
/// is less. 0: cannot be told.
struct FreeMemory {
  uint64_t machine = 0;
  uint64_t group = UINT64_MAX;  // the tightest
  std::string folder;           // of that; empty: no limit
};
FreeMemory free_memory(const std::string& root = "");

}  // namespace convoy
