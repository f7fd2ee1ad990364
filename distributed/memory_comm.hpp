// A communicator between ranks that see the same memory: each reads the others' buffers where they lie.
//
// Data in memory that all see (the arena of a SharedWindow; everything, among threads) is not copied: a reduce_scatter
// reads every rank's contribution to one's own slice in place, and an all_gather of a buffer that is the same memory
// for all is a meeting and no more. Other data goes through a bounce buffer of each rank, part by part.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "distributed/communicator.hpp"
#include "distributed/meeting.hpp"

namespace convoy {

/// What a rank of a MemoryComm sees.
struct Sight {
  /// Memory that every rank sees, perhaps at different addresses: what lies at one offset is the same for all.
  std::byte* base = nullptr;
  size_t bytes = 0;
  /// One bounce buffer a rank, one after another, within it.
  std::byte* bounce = nullptr;
  size_t bounce_bytes = 0;  // of each
};

class MemoryComm : public Communicator {
 public:
  /// `memory` keeps alive what `place` and `sight` point into. `kind` is for describe(): "threads".
  MemoryComm(std::shared_ptr<void> memory, const MeetingPlace& place, int rank, const Sight& sight, std::string kind);
  ~MemoryComm() override;
  MemoryComm(const MemoryComm&) = delete;
  MemoryComm& operator=(const MemoryComm&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return place_.ranks(); }
  std::string describe() const override;

  using Communicator::all_gather;
  using Communicator::all_reduce;
  using Communicator::reduce_scatter;
  void reduce_scatter(std::span<float> data, const Slices& slices, Wire wire) override;
  void reduce_scatter(std::span<float> data, const Slices& slices, Wire wire, const TakeSums& take) override;
  void all_gather(std::span<float> data, const Slices& slices, Wire wire) override;
  /// Each rank sums its slice and writes the sums to everybody, while they are in its cache.
  void all_reduce(std::span<float> data, Wire wire) override;
  void all_reduce(std::span<double> data, ReduceOp op) override { reduce_small(data, op); }
  void all_reduce(std::span<int64_t> data, ReduceOp op) override { reduce_small(data, op); }
  void broadcast(std::span<std::byte> data, int root) override;
  void barrier() override;

 private:
  /// Elements [begin, end) of every rank's data.
  struct Part {
    size_t begin = 0, end = 0;
    Part common_with(const Slices& slices, int rank) const {
      const auto r = static_cast<size_t>(rank);
      return {std::max(begin, slices.borders[r]), std::min(end, slices.borders[r + 1])};
    }
  };
  /// Where `work` leaves what it does: in this rank's data, or in every rank's, through peer().
  enum class Results : uint8_t { mine, everybodys };
  struct Manner {
    const Slices* slices = nullptr;  // to be checked before anybody reads
    Results results = Results::mine;
  };
  template <typename T, typename Work>
  void together(const char* operation, std::span<T> data, const Work& work, const Manner& manner);
  template <typename T, typename Work>
  void together(const char* operation, std::span<T> data, const Work& work) {
    together(operation, data, work, Manner());
  }
  template <typename T>
  void reduce_small(std::span<T> data, ReduceOp op);
  void check_same_call(const Call& mine) const;
  /// Every rank's elements from `begin` on, of those that `together` works on.
  std::span<const float* const> contributions(size_t begin);
  uint64_t offset_of(std::span<const std::byte> data) const;
  /// The part's first element in the data of `rank`; valid while `together` works on it.
  template <typename T>
  T* peer(int rank) const {
    return reinterpret_cast<T*>(peers_[static_cast<size_t>(rank)]);
  }

  std::shared_ptr<void> memory_;
  MeetingPlace place_;
  int rank_;
  Sight sight_;
  std::string kind_;
  uint64_t turn_ = 0;
  std::vector<std::byte*> peers_;
  std::vector<const float*> contributions_;
};

}  // namespace convoy
