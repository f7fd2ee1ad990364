#include "launchers/run/control_group.hpp"

#include <algorithm>
#include <fstream>

#include "core/base/text.hpp"
#include "launchers/options/values.hpp"

namespace convoy {
namespace {

/// The number behind `name` in a file of lines "name number"; 0 without one.
uint64_t number_in(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  std::string word;
  uint64_t number = 0;
  while (file >> word) {
    if (word == name && file >> number) return number;
  }
  return 0;
}

uint64_t number_of(const std::string& path) {
  return static_cast<uint64_t>(std::max<int64_t>(parse_integer(first_line(path)).value_or(0), 0));
}

/// What the group in this folder leaves by itself. Pages of files that nobody has used lately are given back first, so
/// they count as free.
uint64_t memory_left(const std::string& folder) {
  const bool second = !first_line(folder + "/memory.max").empty();
  const uint64_t limit = number_of(folder + (second ? "/memory.max" : "/memory.limit_in_bytes"));  // "max" reads as 0
  if (limit == 0) return UINT64_MAX;
  const uint64_t used = number_of(folder + (second ? "/memory.current" : "/memory.usage_in_bytes"));
  const uint64_t cached = number_in(folder + "/memory.stat", second ? "inactive_file" : "total_inactive_file");
  const uint64_t needed = used - std::min(used, cached);
  return limit - std::min(limit, needed);
}

}  // namespace

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::vector<std::string> control_groups(const std::string& controller, const std::string& root) {
  std::vector<std::string> folders;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "0::/path", or "4:cpu,cpuacct:/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::vector<std::string> names = split_commas(controllers);
    if (!controllers.empty() && std::ranges::find(names, controller) == names.end()) continue;
    // A container may see its own group as the root of the tree, and its path from outside: then only the root is
    // there.
    const std::string tree = root + "/sys/fs/cgroup" + (controllers.empty() ? "" : "/" + controllers);
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    while (true) {
      folders.push_back(tree + path);
      if (path.find('/') == std::string::npos) break;
      path = path.substr(0, path.rfind('/'));
    }
  }
  return folders;
}

FreeMemory free_memory(const std::string& root) {
  FreeMemory memory{.machine = 1024 * number_in(root + "/proc/meminfo", "MemAvailable:")};
  for (const std::string& folder : control_groups("memory", root)) {
    const uint64_t left = memory_left(folder);
    if (left < memory.group) memory.group = left, memory.folder = folder;
  }
  return memory;
}

}  // namespace convoy
