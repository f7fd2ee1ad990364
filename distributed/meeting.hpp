// Where ranks that see the same memory meet: threads of one process, or processes that map the same window.
//
// A meeting ends when all ranks have come. Everything a rank wrote before it is seen by the others after it. Once a
// meeting has failed - one rank stayed away too long, broke up or left - every further one fails with the same reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace convoy {

/// What a rank is about to do, for the others to see after the meeting that follows.
struct Call {
  char operation[24] = "";
  uint64_t offset = 0;  // of its data in the memory that all see
  uint64_t count = 0;   // elements
};

class MeetingPlace {
 public:
  using Clock = std::chrono::steady_clock;

  /// Bytes of the memory that a place for so many ranks lives in.
  static size_t bytes(int ranks);

  /// The place in `memory`, which is zero when the first rank comes, aligned to 64 bytes, and outlives this object.
  MeetingPlace(void* memory, int ranks, std::chrono::duration<double> timeout);

  int ranks() const { return ranks_; }
  Clock::time_point deadline() const;

  /// Leaves `call` for the others. `turn` counts this rank's calls: those of two turns may be read at once, so that one
  /// meeting between two calls is enough.
  void bring(int rank, uint64_t turn, const Call& call);
  const Call& call(int rank, uint64_t turn) const;

  /// Returns when all ranks have come. Throws Error(peer_lost) at the deadline, or if the place is broken up.
  void meet(const char* operation, Clock::time_point deadline);

  /// From now on every meeting of every rank fails; the first reason counts.
  void break_up(const std::string& reason) noexcept;
  void throw_if_broken() const;

 private:
  struct State;
  std::string reason() const;

  State* state_;
  Call* calls_;  // [turn % 2][rank]
  int ranks_;
  std::chrono::duration<double> timeout_;
};

}  // namespace convoy
