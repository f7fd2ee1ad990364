// The communicator over MPI: everything is posted non-blocking and polled against a deadline.
//
// A call that fails leaves its messages behind, and they point into buffers of the caller; therefore nobody enters MPI
// again after a failure (MpiState::failure), and the process is expected to end with MpiWorld::abort.
#include "distributed/mpi_comm.hpp"

#include <mpi.h>
#include <sys/prctl.h>

#include <algorithm>
#include <iomanip>
#include <set>
#include <thread>

#include "core/base/error.hpp"
#include "core/base/text.hpp"
#include "core/train/tree_sum.hpp"
#include "distributed/rank_order.hpp"
#include "distributed/wire.hpp"

namespace convoy {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// All pieces are posted at once, so cutting costs little (a microsecond each); whole ones tell the poller that bytes
// are still moving on a slow link, and keep every count an int. 64 KiB and 256 KiB measured the same.
constexpr size_t piece_bytes = size_t{1} << 20;

constexpr int reduce_scatter_tag = 1, all_gather_tag = 2;

void check(int code) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "unknown error";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw std::runtime_error(text);
}

// The messages of one operation.
class Messages {
 public:
  void send(std::span<const std::byte> data, int to, int tag, MPI_Comm comm) {
    in_pieces(data.size(), [&](size_t offset, int count) {
      check(MPI_Isend(data.data() + offset, count, MPI_BYTE, to, tag, comm, add(nobody)));
    });
  }

  void receive(std::span<std::byte> data, int from, int tag, MPI_Comm comm) {
    in_pieces(data.size(), [&](size_t offset, int count) {
      check(MPI_Irecv(data.data() + offset, count, MPI_BYTE, from, tag, comm, add(from)));
    });
  }

  void broadcast(std::span<std::byte> data, int root, MPI_Comm comm) {
    in_pieces(data.size(), [&](size_t offset, int count) {
      check(MPI_Ibcast(data.data() + offset, count, MPI_BYTE, root, comm, add(root)));
    });
  }

  /// The request that follows; `from` is the rank whose data it waits for.
  MPI_Request* add(int from = nobody) {
    requests_.push_back(MPI_REQUEST_NULL);
    from_.push_back(from);
    ++open_;
    return &requests_.back();
  }

  void clear() {
    requests_.clear();
    from_.clear();
    open_ = 0;
  }

  bool all_done() const { return open_ == 0; }

  /// Lets MPI work. True if a message was completed.
  bool test() {
    indices_.resize(requests_.size());
    statuses_.resize(requests_.size());
    int completed = 0;
    const int code = MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &completed, indices_.data(),
                                  statuses_.data());
    if (code == MPI_ERR_IN_STATUS) {
      for (int i = 0; i < completed; ++i) check(statuses_[static_cast<size_t>(i)].MPI_ERROR);
    }
    check(code);
    if (completed == MPI_UNDEFINED) completed = open_;
    open_ -= completed;
    return completed > 0;
  }

  /// "worker 1, 3": whose data has not come.
  std::string missing() const {
    std::set<int> ranks;
    for (size_t i = 0; i < requests_.size(); ++i) {
      if (requests_[i] != MPI_REQUEST_NULL && from_[i] != nobody) ranks.insert(from_[i]);
    }
    std::vector<std::string> words;
    for (const int rank : ranks) words.push_back(std::to_string(rank));
    return words.empty() ? "another worker" : "worker " + join(words, ", ");
  }

 private:
  static constexpr int nobody = -1;

  template <typename Post>
  static void in_pieces(size_t bytes, const Post& post) {
    for (size_t offset = 0; offset < bytes; offset += piece_bytes) {
      post(offset, static_cast<int>(std::min(piece_bytes, bytes - offset)));
    }
  }

  std::vector<MPI_Request> requests_;
  std::vector<int> from_;
  std::vector<int> indices_;
  std::vector<MPI_Status> statuses_;
  int open_ = 0;
};

// A worker often has one core, which the thread that polls shares with the one that computes. Yielding would cost it a
// whole time slice (4 ms) per poll, spinning would starve the other; a short sleep preempts within microseconds.
// Sleeping an eighth of the time waited already makes no wait longer by more than that, at few polls.
void pause(Clock::duration waited) {
  using std::chrono::microseconds;
  if (waited < microseconds(20)) return;
  // The default slack of timers would make 70 us of 20; it is a property of the thread.
  [[maybe_unused]] thread_local const int precise = prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
  std::this_thread::sleep_for(std::clamp<Clock::duration>(waited / 8, microseconds(20), microseconds(500)));
}

class MpiComm : public Communicator {
 public:
  MpiComm(std::shared_ptr<MpiState> state, const CommunicatorOptions& options, MPI_Comm comm, int rank, int size,
          std::string text)
      : state_(std::move(state)), options_(options), text_(std::move(text)), comm_(comm), rank_(rank), size_(size) {}
  // MPI_Comm_free is collective and might wait for the lost; MPI_Finalize frees what is left.
  ~MpiComm() override = default;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string describe() const override { return text_; }

  using Communicator::all_gather;
  using Communicator::all_reduce;
  using Communicator::reduce_scatter;

  void reduce_scatter(std::span<float> data, const Slices& slices, Wire wire) override {
    slices.check(data.size(), size_);
    const std::span<float> own = slices.of(data, rank_);
    const std::span<float> others = grown(scratch_, own.size() * static_cast<size_t>(size_ - 1));
    const auto part_of = [&](auto all, int other) { return all.subspan(before(other) * own.size(), own.size()); };
    if (wire == Wire::fp32) {
      trade(
          "reduce_scatter", reduce_scatter_tag, [&](int other) { return part_of(others, other); },
          [&](int other) { return slices.of(data, other); });
    } else {
      const std::span<uint16_t> received = grown(rounded_received_, others.size());
      const Slices places = slices.from_zero();
      const std::span<uint16_t> sent = grown(rounded_sent_, places.borders.back());
      for_each_other([&](int other) { to_bf16(slices.of(data, other), places.of(sent, other)); });
      trade(
          "reduce_scatter", reduce_scatter_tag, [&](int other) { return part_of(received, other); },
          [&](int other) { return places.of(sent, other); });
      from_bf16(received, others);
    }
    contributions_.resize(static_cast<size_t>(size_));
    for_each_other([&](int other) { contributions_[static_cast<size_t>(other)] = part_of(others, other).data(); });
    contributions_[static_cast<size_t>(rank_)] = own.data();
    tree_sum(own, contributions_);
  }

  void all_gather(std::span<float> data, const Slices& slices, Wire wire) override {
    slices.check(data.size(), size_);
    if (wire == Wire::fp32) {
      trade(
          "all_gather", all_gather_tag, [&](int other) { return slices.of(data, other); },
          [&](int) { return slices.of(data, rank_); });
      return;
    }
    const Slices places = slices.from_zero();
    const std::span<uint16_t> rounded = grown(rounded_received_, places.borders.back());
    to_bf16(slices.of(data, rank_), places.of(rounded, rank_));
    trade(
        "all_gather", all_gather_tag, [&](int other) { return places.of(rounded, other); },
        [&](int) { return places.of(rounded, rank_); });
    from_bf16(rounded, data.subspan(slices.borders.front(), rounded.size()));
  }

  void all_reduce(std::span<double> data, ReduceOp op) override { reduce_small(data, op); }
  void all_reduce(std::span<int64_t> data, ReduceOp op) override { reduce_small(data, op); }

  void broadcast(std::span<std::byte> data, int root) override {
    run("broadcast", [&] { messages_.broadcast(data, root, comm_); });
  }

  void barrier() override {
    run("barrier", [&] { check(MPI_Ibarrier(comm_, messages_.add())); });
  }

 private:
  // Starting behind oneself spreads the load: no rank is everybody's first.
  template <typename Visit>
  void for_each_other(const Visit& visit) const {
    for (int step = 1; step < size_; ++step) visit((rank_ + step) % size_);
  }

  /// The place of another rank among the others.
  size_t before(int other) const { return static_cast<size_t>(other < rank_ ? other : other - 1); }

  /// `size` elements of a buffer that grows to its final size in the first step and stays.
  template <typename T>
  static std::span<T> grown(std::vector<T>& buffer, size_t size) {
    if (buffer.size() < size) buffer.resize(size);
    return std::span(buffer).first(size);
  }

  /// Every other rank gets outgoing(rank) of this one, and sends what incoming(rank) has room for.
  template <typename Incoming, typename Outgoing>
  void trade(const char* operation, int tag, const Incoming& incoming, const Outgoing& outgoing) {
    run(operation, [&] {
      for_each_other([&](int other) { messages_.receive(std::as_writable_bytes(incoming(other)), other, tag, comm_); });
      for_each_other([&](int other) { messages_.send(std::as_bytes(outgoing(other)), other, tag, comm_); });
    });
  }

  template <typename T>
  void reduce_small(std::span<T> data, ReduceOp op) {
    constexpr size_t most = piece_bytes / sizeof(T);  // keeps the count an int
    for (; !data.empty(); data = data.subspan(std::min(most, data.size()))) {
      const std::span<T> part = data.first(std::min(most, data.size()));
      std::vector<T> all(part.size() * static_cast<size_t>(size_));
      const int bytes = static_cast<int>(part.size_bytes());
      run("all_reduce", [&] {
        check(MPI_Iallgather(part.data(), bytes, MPI_BYTE, all.data(), bytes, MPI_BYTE, comm_, messages_.add()));
      });
      reduce_in_rank_order(part, all.data(), size_, op);
    }
  }

  // Posts the messages of an operation and polls until they are done.
  template <typename Post>
  void run(const char* operation, const Post& post) {
    const auto start = Clock::now();
    auto last_progress = start;
    std::unique_lock lock(state_->mutex);
    if (!state_->failure.empty()) throw Error(ExitCode::peer_lost, state_->failure);
    try {
      messages_.clear();
      post();
      while (true) {
        const bool progress = messages_.test();
        if (messages_.all_done()) return;
        const auto now = Clock::now();
        if (now - last_progress > options_.timeout) throw std::runtime_error("no answer from " + messages_.missing());
        if (progress) last_progress = now;
        lock.unlock();
        pause(now - last_progress);
        lock.lock();
        if (!state_->failure.empty()) throw Error(ExitCode::peer_lost, state_->failure);
      }
    } catch (const std::exception& error) {
      if (!lock.owns_lock()) lock.lock();
      if (state_->failure.empty()) {
        state_->failure = concat("MPI ", operation, ": ", error.what(), " after ", std::setprecision(3),
                                 Seconds(Clock::now() - start).count(), " s; a worker is lost or stuck: see ",
                                 "failure.json and that worker's messages, or set a larger timeout");
      }
      throw Error(ExitCode::peer_lost, state_->failure);
    }
  }

  std::shared_ptr<MpiState> state_;
  CommunicatorOptions options_;
  std::string text_;
  MPI_Comm comm_;
  int rank_, size_;
  Messages messages_;
  std::vector<float> scratch_;  // the others' contributions to this rank's slice
  std::vector<uint16_t> rounded_sent_, rounded_received_;
  std::vector<const float*> contributions_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(std::shared_ptr<MpiState> state, const CommunicatorOptions& options,
                                                    int group, const std::string& everybody) {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0, workers = 1, size = 1;
  {
    const std::lock_guard lock(state->mutex);
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank));
    check(MPI_Comm_size(MPI_COMM_WORLD, &workers));
    check(MPI_Comm_split(MPI_COMM_WORLD, group < 0 ? MPI_UNDEFINED : group, rank, &comm));
    if (comm == MPI_COMM_NULL) return nullptr;
    check(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN));
    check(MPI_Comm_rank(comm, &rank));
    check(MPI_Comm_size(comm, &size));
  }
  std::string text = size == workers ? everybody : concat(size, size == 1 ? " worker" : " workers");
  return std::make_unique<MpiComm>(std::move(state), options, comm, rank, size, "MPI, " + text);
}

}  // namespace convoy
