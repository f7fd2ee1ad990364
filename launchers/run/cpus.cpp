// The CPUs of a worker.
#include "launchers/run/cpus.hpp"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "launchers/options/values.hpp"
#include "launchers/run/control_group.hpp"

namespace convoy {

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  // Fails on machines with more than 1,024 CPUs; one thread is then a safe start, and `threads` says more.
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {0};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

std::string cpu_list_text(const std::vector<int>& cpus) {
  std::vector<std::string> parts;
  for (size_t first = 0; first < cpus.size();) {
    size_t last = first;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    parts.push_back(first == last ? concat(cpus[first]) : concat(cpus[first], "-", cpus[last]));
    first = last + 1;
  }
  return join(parts, ",");
}

std::vector<int> parse_cpu_list(const std::string& text) {
  std::vector<int> cpus;
  for (const std::string& part : split_commas(text)) {
    const size_t dash = part.find('-');
    const auto first = parse_integer(part.substr(0, dash));
    const auto last = dash == std::string::npos ? first : parse_integer(part.substr(dash + 1));
    if (!first || !last) continue;
    for (int64_t cpu = *first; cpu <= *last; ++cpu) cpus.push_back(static_cast<int>(cpu));
  }
  return cpus;
}

namespace {

/// What the control group in this folder allows by itself; 0: no limit.
double limit_of_folder(const std::string& folder) {
  std::string quota = first_line(folder + "/cpu.max");  // "150000 100000" or "max 100000"
  std::string period;
  if (const size_t blank = quota.find(' '); blank != std::string::npos) {
    period = quota.substr(blank + 1);
    quota.resize(blank);
  } else {
    quota = first_line(folder + "/cpu.cfs_quota_us");  // -1: none
    period = first_line(folder + "/cpu.cfs_period_us");
  }
  const auto microseconds = parse_integer(quota), of = parse_integer(period);
  if (!microseconds || !of || *microseconds <= 0 || *of <= 0) return 0;
  return static_cast<double>(*microseconds) / static_cast<double>(*of);
}

/// Workers of one host that share some cores, or a limit.
struct Place {
  std::vector<size_t> workers{};
  int threads = 0;   // of all of them
  double cores = 0;  // that they share
  bool limited = false;

  double per_thread() const { return cores / threads; }
  /// A limit below one core cannot be met by any number of workers.
  bool crowded() const { return threads > 1 && per_thread() < 1 - 1e-6; }
};

bool is_within(const std::vector<int>& cpus, const std::vector<int>& all) {
  return std::ranges::all_of(cpus, [&](int cpu) { return std::ranges::find(all, cpu) != all.end(); });
}

/// Wherever workers of this host must share: within the CPUs of each, within all of them, and within each limit.
std::vector<Place> places_of(const std::vector<CpuClaim>& claims, const std::string& host) {
  std::vector<size_t> here;
  std::vector<std::vector<int>> masks(1);
  std::vector<CpuLimit> limits;
  for (size_t w = 0; w < claims.size(); ++w) {
    const CpuClaim& claim = claims[w];
    if (claim.host != host) continue;
    here.push_back(w);
    for (const int cpu : claim.cpus) {
      if (std::ranges::find(masks[0], cpu) == masks[0].end()) masks[0].push_back(cpu);
    }
    if (std::ranges::find(masks, claim.cpus) == masks.end()) masks.push_back(claim.cpus);
    const auto same = [&](const CpuLimit& limit) { return limit.group == claim.limit.group; };
    if (claim.limit.cpus > 0 && std::ranges::none_of(limits, same)) limits.push_back(claim.limit);
  }
  std::vector<Place> places;
  const auto add = [&](Place place, const auto& belongs) {
    for (const size_t w : here) {
      if (!belongs(claims[w])) continue;
      place.workers.push_back(w);
      place.threads += claims[w].asked ? claims[w].asked : share_of_cpus(claims, w);
    }
    if (place.crowded()) places.push_back(std::move(place));
  };
  for (const std::vector<int>& mask : masks) {
    add({.cores = static_cast<double>(mask.size())},
        [&](const CpuClaim& claim) { return is_within(claim.cpus, mask); });
  }
  for (const CpuLimit& limit : limits) {
    add({.cores = limit.cpus, .limited = true},
        [&](const CpuClaim& claim) { return claim.limit.cpus > 0 && claim.limit.group == limit.group; });
  }
  return places;
}

std::string text_of(const Place& place, const std::string& host) {
  const auto count = static_cast<double>(place.workers.size());
  const std::string cores = concat(place.cores, place.cores == 1 ? " core" : " cores",
                                   place.limited ? " (a limit of their control group)" : "");
  const int threads = std::max(1, static_cast<int>(place.cores / count));
  std::vector<int> ranks(place.workers.begin(), place.workers.end());
  const std::string who = concat(ranks.size() == 1 ? "worker " : "workers ", cpu_list_text(ranks), " on ", host);
  if (ranks.size() == 1) {
    return concat(who, " is to run ", place.threads, " threads on ", cores,
                  ": they wait for each other; use --threads ", threads);
  }
  if (count > place.cores) {
    return concat(who, " share ", cores, ": each step is as slow as the busiest core; start fewer workers",
                  place.limited ? "" : " or bind them (launchers/local does)");
  }
  return concat(who, " are to run ", place.threads, " threads on ", cores,
                ": each step is as slow as the busiest core; use --threads ", threads);
}

}  // namespace

CpuLimit cpu_limit(const std::string& root) {
  CpuLimit tightest;
  for (const std::string& folder : control_groups("cpu", root)) {
    const double cpus = limit_of_folder(folder);
    if (cpus > 0 && (tightest.cpus == 0 || cpus < tightest.cpus)) tightest = {.cpus = cpus, .group = folder};
  }
  return tightest;
}

int usable_cpus() {
  return share_of_cpus({{.host = "", .cpus = allowed_cpus(), .limit = cpu_limit()}}, 0);
}

std::string claim_text(const CpuClaim& claim) {
  return concat(claim.host, "\n", cpu_list_text(claim.cpus), "\n", claim.asked, "\n", number_text(claim.limit.cpus),
                "\n", claim.limit.group);
}

CpuClaim parse_claim(const std::string& text) {
  std::array<std::string, 5> lines;
  size_t begin = 0;
  for (std::string& line : lines) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    line = text.substr(begin, end - begin);
    begin = std::min(end + 1, text.size());
  }
  return {.host = lines[0],
          .cpus = parse_cpu_list(lines[1]),
          .limit = {.cpus = parse_number(lines[3]).value_or(0), .group = lines[4]},
          .asked = static_cast<int>(parse_integer(lines[2]).value_or(0))};
}

int share_of_cpus(const std::vector<CpuClaim>& claims, size_t me) {
  const CpuClaim& mine = claims[me];
  const auto neighbours = [&](const auto& shares) {
    return static_cast<double>(
        std::ranges::count_if(claims, [&](const CpuClaim& claim) { return claim.host == mine.host && shares(claim); }));
  };
  double share = 0;
  for (const int cpu : mine.cpus) {
    share +=
        1.0 / neighbours([&](const CpuClaim& claim) { return std::ranges::find(claim.cpus, cpu) != claim.cpus.end(); });
  }
  if (mine.limit.cpus > 0) {
    const double same = neighbours([&](const CpuClaim& claim) { return claim.limit.group == mine.limit.group; });
    share = std::min(share, mine.limit.cpus / same);
  }
  // The sum of n times 1/n may fall short of 1 by a rounding.
  return std::max(1, static_cast<int>(share + 1e-6));
}

std::string crowding_text(const std::vector<CpuClaim>& claims) {
  std::vector<std::string> hosts;
  for (const CpuClaim& claim : claims) {
    if (std::ranges::find(hosts, claim.host) == hosts.end()) hosts.push_back(claim.host);
  }
  Place worst;
  std::string where;
  size_t crowded = 0;
  for (const std::string& host : hosts) {
    const std::vector<Place> places = places_of(claims, host);
    if (places.empty()) continue;
    ++crowded;
    const Place& place = *std::ranges::min_element(places, {}, &Place::per_thread);
    if (worst.workers.empty() || place.per_thread() < worst.per_thread()) worst = place, where = host;
  }
  if (crowded == 0) return "";
  const std::string others =
      crowded == 1 ? "" : concat(" (and ", crowded - 1, crowded == 2 ? " more host like it)" : " more hosts like it)");
  return text_of(worst, where + others);
}

}  // namespace convoy
