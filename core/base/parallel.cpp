// The one place where Convoy's own code opens an OpenMP region.
#include "core/base/parallel.hpp"

#include <omp.h>

#include <algorithm>

namespace convoy {

int team_threads() {
  return omp_in_parallel() ? 1 : omp_get_max_threads();
}

int team_thread() {
  return omp_get_thread_num();
}

TeamThreads::TeamThreads(int threads) : before_(omp_get_max_threads()) {
  if (threads != before_) omp_set_num_threads(threads);
}

TeamThreads::~TeamThreads() {
  if (omp_get_max_threads() != before_) omp_set_num_threads(before_);
}

void detail::run_ranges(int64_t n, int64_t grain, RangeBody body, void* function) {
  if (n <= 0) return;
  const int threads = team_threads();
  const int64_t ranges = std::clamp<int64_t>(n / std::max<int64_t>(grain, 1), 1, threads);
  if (ranges == 1) {
    body(function, 0, n);
    return;
  }
  // The whole team is opened even if some of it stays idle: libgomp ends and restarts threads when the size changes.
#pragma omp parallel num_threads(threads)
  for (int64_t i = omp_get_thread_num(); i < ranges; i += omp_get_num_threads()) {
    body(function, n * i / ranges, n * (i + 1) / ranges);
  }
}

}  // namespace convoy
