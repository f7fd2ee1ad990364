// Short loops at the machine's limits.
#include "launchers/run/machine_peak.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/base/timer.hpp"

namespace convoy {

namespace {

constexpr int lanes = 16, chains = 16;  // enough independent sums to fill the pipelines of any x86 core

/// chains * lanes multiply-adds a round, in registers.
CONVOY_ISA_CLONES float multiply_adds(int64_t rounds, float factor) {
  float sums[chains][lanes];
  for (auto& chain : sums) std::fill_n(chain, lanes, 1.0f);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int chain = 0; chain < chains; ++chain) {
#pragma omp simd
      for (int lane = 0; lane < lanes; ++lane) sums[chain][lane] = __builtin_fmaf(sums[chain][lane], factor, 1e-3f);
    }
  }
  float all = 0;
  for (const auto& chain : sums) {
    for (const float sum : chain) all += sum;
  }
  return all;
}

/// The best of a few tries: the rest of the machine may be busy.
template <typename Work>
double shortest(int tries, const Work& work) {
  double best = INFINITY;
  for (int i = 0; i < tries; ++i) {
    const Timer timer;
    work();
    best = std::min(best, timer.seconds());
  }
  return best;
}

}  // namespace

void forget_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << 5;
}

size_t peak_memory() {
  std::ifstream file("/proc/self/status");
  std::string word;
  while (file >> word && word != "VmHWM:") continue;
  size_t kib = 0;
  file >> kib;
  return kib * 1024;
}

MachinePeak measure_peak(int threads) {
  const TeamThreads team(threads);
  constexpr int64_t rounds = 400'000;
  std::vector<float> keep(static_cast<size_t>(threads));
  const double computing = shortest(5, [&] {
    parallel_for(threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) keep[static_cast<size_t>(i)] = multiply_adds(rounds, 0.5f);
    });
  });
  constexpr int64_t bytes = int64_t{64} << 20;
  std::vector<char> from(bytes, 1), to(bytes, 2);
  const double copying = shortest(5, [&] {
    parallel_for(bytes, 1 << 20, [&](int64_t begin, int64_t end) {
      std::memcpy(to.data() + begin, from.data() + begin, static_cast<size_t>(end - begin));
    });
  });
  return {.flops = 2.0 * chains * lanes * static_cast<double>(rounds) * threads / computing,
          .bytes_copied = 2.0 * static_cast<double>(bytes) / copying};
}

}  // namespace convoy
