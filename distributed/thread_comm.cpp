// N ranks as threads of one process: they meet at a timed barrier, read each other's buffers, and meet again.
//
// Between the two meetings rank r writes only its own slice (reduce_scatter) or only the others' slices of its own
// buffer (all_gather), so no float is written by one rank while another touches it. Once a meeting has failed, all
// fail.
#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>

#include "core/base/error.hpp"
#include "core/train/tree_sum.hpp"
#include "distributed/communicator.hpp"
#include "distributed/rank_order.hpp"

namespace convoy {
namespace {

using Clock = std::chrono::steady_clock;

// What a rank brings to a meeting.
struct Call {
  const char* operation = "";
  void* data = nullptr;
  size_t count = 0;

  bool matches(const Call& other) const {
    return std::string_view(operation) == other.operation && count == other.count;
  }
};

class MeetingPlace {
 public:
  MeetingPlace(int ranks, const CommunicatorOptions& options)
      : calls_(static_cast<size_t>(ranks)), timeout_(options.timeout) {}

  int ranks() const { return static_cast<int>(calls_.size()); }
  Clock::time_point deadline() const { return Clock::now() + std::chrono::duration_cast<Clock::duration>(timeout_); }

  /// What a rank brought; valid between the two meetings of an operation.
  const Call& call(int rank) const { return calls_[static_cast<size_t>(rank)]; }

  void bring(int rank, const Call& call) {
    const std::lock_guard lock(mutex_);
    if (!failure_.empty()) throw Error(ExitCode::peer_lost, failure_);
    calls_[static_cast<size_t>(rank)] = call;
  }

  /// Returns when all ranks have come, or throws Error(peer_lost) at the deadline; then so does every later call.
  void meet(const char* operation, Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    if (!failure_.empty()) throw Error(ExitCode::peer_lost, failure_);
    const uint64_t meeting = meetings_;
    if (++arrived_ == ranks()) {
      arrived_ = 0;
      ++meetings_;
      changed_.notify_all();
      return;
    }
    changed_.wait_until(lock, deadline, [&] { return meetings_ != meeting || !failure_.empty(); });
    if (meetings_ != meeting) return;
    if (failure_.empty()) {
      failure_ = concat(operation, ": only ", arrived_, " of ", ranks(), " workers came within ", timeout_.count(),
                        " s; the others are lost or stuck (a longer timeout waits longer for them)");
      changed_.notify_all();
    }
    throw Error(ExitCode::peer_lost, failure_);
  }

  /// From now on every call of every rank fails; the first reason counts.
  void break_up(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = reason;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Call> calls_;
  std::chrono::duration<double> timeout_;
  int arrived_ = 0;
  uint64_t meetings_ = 0;  // held so far
  std::string failure_;    // why no further one will be
};

class ThreadComm : public Communicator {
 public:
  ThreadComm(std::shared_ptr<MeetingPlace> place, int rank) : place_(std::move(place)), rank_(rank) {}
  ~ThreadComm() override { place_->break_up(concat("worker ", rank_, " has left")); }
  ThreadComm(const ThreadComm&) = delete;
  ThreadComm& operator=(const ThreadComm&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return place_->ranks(); }
  std::string describe() const override { return concat("threads, ", size(), " workers"); }

  void reduce_scatter(std::span<float> data, const Slices& slices) override {
    together({"reduce_scatter", data.data(), data.size()}, [&] {
      slices.check(data.size(), size());
      contributions_.clear();
      for (int r = 0; r < size(); ++r) contributions_.push_back(slices.of(buffer<float>(r), rank_).data());
      tree_sum(slices.of(data, rank_), contributions_);
    });
  }

  void all_gather(std::span<float> data, const Slices& slices) override {
    together({"all_gather", data.data(), data.size()}, [&] {
      slices.check(data.size(), size());
      for (int r = 0; r < size(); ++r) {
        if (r != rank_) std::ranges::copy(slices.of(buffer<float>(r), r), slices.of(data, r).begin());
      }
    });
  }

  void all_reduce(std::span<double> data, ReduceOp op) override { reduce_small(data, op); }
  void all_reduce(std::span<int64_t> data, ReduceOp op) override { reduce_small(data, op); }

  void broadcast(std::span<std::byte> data, int root) override {
    together({"broadcast", data.data(), data.size()}, [&] {
      if (rank_ != root) std::ranges::copy(buffer<std::byte>(root), data.begin());
    });
  }

  void barrier() override {
    together({"barrier"}, [] {});
  }

 private:
  // `work` runs while every rank's call is known and no buffer is used by its owner.
  template <typename Work>
  void together(const Call& call, const Work& work) {
    try {
      const auto deadline = place_->deadline();
      place_->bring(rank_, call);
      place_->meet(call.operation, deadline);
      check_same_call(call);
      work();
      place_->meet(call.operation, deadline);
    } catch (const std::exception& error) {
      place_->break_up(concat("worker ", rank_, " failed: ", error.what()));
      throw;
    }
  }

  void check_same_call(const Call& mine) const {
    for (int r = 0; r < size(); ++r) {
      const Call& other = place_->call(r);
      if (mine.matches(other)) continue;
      fail(ExitCode::internal, "worker ", rank_, " calls ", mine.operation, " of ", mine.count, " while worker ", r,
           " calls ", other.operation, " of ", other.count, ": please report this defect in Convoy");
    }
  }

  template <typename T>
  std::span<T> buffer(int rank) const {
    return {static_cast<T*>(place_->call(rank).data), place_->call(rank).count};
  }

  template <typename T>
  void reduce_small(std::span<T> data, ReduceOp op) {
    std::vector<T> all;
    together({"all_reduce", data.data(), data.size()}, [&] {
      for (int r = 0; r < size(); ++r) all.insert(all.end(), buffer<T>(r).begin(), buffer<T>(r).end());
    });
    reduce_in_rank_order(data, all.data(), size(), op);
  }

  std::shared_ptr<MeetingPlace> place_;
  int rank_;
  std::vector<const float*> contributions_;
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> make_thread_communicators(int ranks, const CommunicatorOptions& options) {
  const auto place = std::make_shared<MeetingPlace>(ranks, options);
  std::vector<std::unique_ptr<Communicator>> communicators;
  for (int r = 0; r < ranks; ++r) communicators.push_back(std::make_unique<ThreadComm>(place, r));
  return communicators;
}

}  // namespace convoy
