// Loops over the threads of the calling team.
//
// A team is a thread and the OpenMP threads it opens regions with; their number is the calling thread's own OpenMP
// setting. Teams are std::threads of core/train/lanes.hpp, or the main thread. The split is static and a function of
// (n, grain, threads) only. A team of one thread never enters the OpenMP library, which ThreadSanitizer does not
// understand.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace convoy {

/// Threads that a loop opened here would use: 1 inside a parallel_for.
int team_threads();

/// The calling thread's place in its team, from 0: inside a parallel_for it tells the threads apart.
int team_thread();

/// Sets the number of threads of the calling thread's team, and puts back the old one at the end of its life.
class TeamThreads {
 public:
  explicit TeamThreads(int threads);
  ~TeamThreads();
  TeamThreads(const TeamThreads&) = delete;
  TeamThreads& operator=(const TeamThreads&) = delete;

 private:
  int before_;
};

namespace detail {
using RangeBody = void (*)(void* function, int64_t begin, int64_t end);
void run_ranges(int64_t n, int64_t grain, RangeBody body, void* function);
}  // namespace detail

/// Calls f(begin, end) for ranges that cover [0, n) once, at most one per thread of the team, of at least `grain`
/// elements each (as far as n allows). Returns when all are done. f must not throw. Inside another parallel_for it
/// runs on the calling thread alone.
template <typename Function>
void parallel_for(int64_t n, int64_t grain, Function&& f) {
  using Plain = std::remove_reference_t<Function>;
  const auto body = [](void* function, int64_t begin, int64_t end) { (*static_cast<Plain*>(function))(begin, end); };
  detail::run_ranges(n, grain, body, const_cast<std::remove_const_t<Plain>*>(std::addressof(f)));
}

}  // namespace convoy
