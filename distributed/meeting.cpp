// Atomics and futexes, which work alike within a process and across processes that share the memory.
#include "distributed/meeting.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstring>
#include <ctime>
#include <thread>

#include "core/base/error.hpp"

namespace convoy {

namespace {

// Waking a sleeper takes tens of microseconds; longer spinning would take the core from a thread that computes.
constexpr std::chrono::microseconds spin_limit{5};
// A sleeper looks up this often, so that a wake-up lost to a process that died is only a delay.
constexpr std::chrono::milliseconds longest_sleep{100};

enum Broken : uint32_t { whole = 0, being_broken = 1, broken = 2 };

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, std::chrono::nanoseconds limit) {
  const timespec time{.tv_sec = static_cast<time_t>(limit.count() / 1'000'000'000),
                      .tv_nsec = static_cast<long>(limit.count() % 1'000'000'000)};
  syscall(SYS_futex, &word, FUTEX_WAIT, expected, &time, nullptr, 0);
}

void futex_wake_all(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

struct MeetingPlace::State {
  alignas(64) std::atomic<uint32_t> arrived;   // at the meeting under way
  alignas(64) std::atomic<uint32_t> meetings;  // held so far; sleepers wait for it to change
  std::atomic<uint32_t> sleepers;
  alignas(64) std::atomic<uint32_t> broken;
  char reason[1020];
};
static_assert(std::atomic<uint32_t>::is_always_lock_free);

namespace {

constexpr size_t rounded(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

}  // namespace

size_t MeetingPlace::bytes(int ranks) {
  return rounded(sizeof(State)) + rounded(2 * sizeof(Call) * static_cast<size_t>(ranks));
}

MeetingPlace::MeetingPlace(void* memory, int ranks, std::chrono::duration<double> timeout)
    : state_(static_cast<State*>(memory)),
      calls_(reinterpret_cast<Call*>(static_cast<std::byte*>(memory) + rounded(sizeof(State)))),
      ranks_(ranks),
      timeout_(timeout) {}

MeetingPlace::Clock::time_point MeetingPlace::deadline() const {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout_);
}

void MeetingPlace::bring(int rank, uint64_t turn, const Call& call) {
  throw_if_broken();
  calls_[(turn % 2) * static_cast<size_t>(ranks_) + static_cast<size_t>(rank)] = call;
}

const Call& MeetingPlace::call(int rank, uint64_t turn) const {
  return calls_[(turn % 2) * static_cast<size_t>(ranks_) + static_cast<size_t>(rank)];
}

void MeetingPlace::meet(const char* operation, Clock::time_point deadline) {
  throw_if_broken();
  const uint32_t meeting = state_->meetings.load(std::memory_order_acquire);
  const uint32_t present = state_->arrived.fetch_add(1, std::memory_order_acq_rel) + 1;
  if (present == static_cast<uint32_t>(ranks_)) {
    state_->arrived.store(0, std::memory_order_relaxed);
    state_->meetings.fetch_add(1, std::memory_order_seq_cst);
    if (state_->sleepers.load(std::memory_order_seq_cst) > 0) futex_wake_all(state_->meetings);
    return;
  }
  const auto held = [&] { return state_->meetings.load(std::memory_order_acquire) != meeting; };
  for (const auto spin_end = Clock::now() + spin_limit; Clock::now() < spin_end;) {
    for (int i = 0; i < 16; ++i) {
      if (held()) return;
      pause_briefly();
    }
  }
  while (!held()) {
    throw_if_broken();
    const auto left = deadline - Clock::now();
    if (left <= Clock::duration::zero()) {
      break_up(concat(operation, ": only ", state_->arrived.load(), " of ", ranks_, " workers came within ",
                      timeout_.count(), " s; the others are lost or stuck (a longer timeout waits longer for them)"));
      throw_if_broken();
    }
    state_->sleepers.fetch_add(1, std::memory_order_seq_cst);
    futex_wait(state_->meetings, meeting, std::min<Clock::duration>(left, longest_sleep));
    state_->sleepers.fetch_sub(1, std::memory_order_relaxed);
  }
}

void MeetingPlace::break_up(const std::string& reason) noexcept {
  uint32_t expected = Broken::whole;
  if (!state_->broken.compare_exchange_strong(expected, Broken::being_broken)) return;
  const size_t length = std::min(reason.size(), sizeof(state_->reason) - 1);
  std::memcpy(state_->reason, reason.data(), length);
  state_->reason[length] = '\0';
  state_->broken.store(Broken::broken, std::memory_order_release);
  futex_wake_all(state_->meetings);
}

std::string MeetingPlace::reason() const {
  // Whoever breaks the place up may die between the two writes.
  for (int i = 0; i < 1000 && state_->broken.load(std::memory_order_acquire) != Broken::broken; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return state_->broken.load(std::memory_order_acquire) == Broken::broken ? state_->reason : "a worker is lost";
}

void MeetingPlace::throw_if_broken() const {
  if (state_->broken.load(std::memory_order_acquire) != Broken::whole) throw Error(ExitCode::peer_lost, reason());
}

}  // namespace convoy
