#include "launchers/run/memory_check.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "distributed/sockets.hpp"

namespace convoy {
namespace {

/// The same text for processes of one group. By its folder's inode: containers all see their own as "/".
std::string identity(const FreeMemory& free, const std::string& host) {
  struct stat status {};
  if (free.folder.empty() || stat(free.folder.c_str(), &status) != 0) return "";
  return concat(host, " ", status.st_dev, " ", status.st_ino);
}

}  // namespace

void check_memory(const MemoryPlan& plan, const FreeMemory& free, const MemorySharers& sharers) {
  const auto check = [&](uint64_t left, int workers, const std::string& of, const char* remedy) {
    const uint64_t needed = plan.total() * static_cast<uint64_t>(workers);
    if (needed <= left) return;
    fail(ExitCode::out_of_memory, "the run needs ", human_bytes(needed), of, " (", workers, " times ", plan.text(),
         "), ", human_bytes(left), " are free; ", remedy);
  };
  check(free.group, sharers.group, " within the control group " + free.folder,
        "ask the batch system or container for more memory, or use a smaller batch or fewer workers");
  if (free.machine == 0) return;
  check(free.machine, sharers.machine, " on this machine", "use a smaller batch, fewer workers or more machines");
}

void check_device_memory(const MemoryPlan& plan, const Device& device) {
  const size_t free = device.free_bytes();
  if (free == 0 || plan.total() <= free) return;
  fail(ExitCode::out_of_memory, "the run needs ", human_bytes(plan.total()), " of ", device.describe(), " (",
       plan.text(), "), ", human_bytes(free), " are free; use a smaller batch, or micro-batch");
}

void check_memory(Worker& worker, const MemoryPlan& plan) {
  const FreeMemory free = free_memory();
  const std::string mine = identity(free, host_name());
  const std::vector<std::string> all = worker.control().gather_texts(mine);
  const auto group = static_cast<int>(std::ranges::count(all, mine));
  worker.together([&] { check_memory(plan, free, {.machine = worker.local_size(), .group = group}); });
}

}  // namespace convoy
