// The CPUs of a worker: which it may use, how many threads it gets, and whether workers stand in each other's way.
#pragma once

#include <string>
#include <vector>

namespace convoy {

/// The CPUs this process may run on.
std::vector<int> allowed_cpus();
/// "0-3,5" and back; for messages, and to tell other workers.
std::string cpu_list_text(const std::vector<int>& cpus);
std::vector<int> parse_cpu_list(const std::string& text);

/// Processor time that the processes of one control group have together, as containers are given it.
struct CpuLimit {
  double cpus = 0;    // 0: no limit
  std::string group;  // its folder
};

/// The tightest limit of this process's control group and those around it: cpu.max of cgroup v2, cpu.cfs_quota_us of
/// v1. `root` stands before /proc and /sys, for tests.
CpuLimit cpu_limit(const std::string& root = "");

/// Threads of a process on its own: its CPUs, or its limit.
int usable_cpus();

/// What a worker tells the others.
struct CpuClaim {
  std::string host;
  std::vector<int> cpus;
  CpuLimit limit{};
  int asked = 0;  // threads, as told by the user; 0: its share
};
std::string claim_text(const CpuClaim& claim);
CpuClaim parse_claim(const std::string& text);

/// Threads of worker `me`: its CPUs, each divided by the workers of the same host that may use it too, or its part of
/// their limit; at least 1.
int share_of_cpus(const std::vector<CpuClaim>& claims, size_t me);

/// One line where workers have more threads than cores, about the worst host and the worst of its cores; else empty.
std::string crowding_text(const std::vector<CpuClaim>& claims);

}  // namespace convoy
