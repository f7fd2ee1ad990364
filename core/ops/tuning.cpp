// See tuning.hpp.
#include "core/ops/tuning.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

namespace convoy {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The shortest of some runs of each: what disturbs a run only makes it longer. All take turns, so that a slow spell
/// of the machine meets all of them, and who is twice as slow as the best after two rounds is not run again.
std::vector<double> measure(std::span<const Tuning::Candidate> candidates) {
  constexpr int rounds = 5;
  constexpr double enough_seconds = 0.2;  // in all, after the first two rounds
  std::vector<double> best(candidates.size(), std::numeric_limits<double>::infinity());
  double fastest = best[0], total = 0;
  for (int round = 0; round < rounds && (round < 2 || total < enough_seconds); ++round) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (round > 1 && best[i] > 2 * fastest) continue;
      const double seconds = seconds_of(candidates[i].work);
      best[i] = std::min(best[i], seconds);
      total += seconds;
    }
    fastest = *std::min_element(best.begin(), best.end());
  }
  return best;
}

}  // namespace

std::string Tuning::kept(const std::string& key) {
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return "";
  entry->second.used = true;
  return entry->second.choice;
}

size_t Tuning::choose(const std::string& key, std::span<const Candidate> candidates) {
  Measured& entry = entries_[key];
  entry.used = true;
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (candidates[i].name == entry.choice) return i;
  }
  size_t choice = 0;
  if (candidates.size() > 1) {
    const std::vector<double> seconds = measure(candidates);
    const auto fastest = std::min_element(seconds.begin(), seconds.end());
    constexpr double noise = 1.05;
    if (seconds[0] > noise * *fastest) choice = static_cast<size_t>(fastest - seconds.begin());
    for (size_t i = 0; i < candidates.size(); ++i) entry.seconds[candidates[i].name] = seconds[i];
  }
  entry.choice = candidates[choice].name;
  return choice;
}

}  // namespace convoy
