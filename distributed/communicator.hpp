// A communicator: ranks that call the same operations in the same order.
//
// Calls return when their result is there, or throw Error(peer_lost) once the deadline has passed; then every rank's
// next call fails too. A communicator is used by one thread at a time. Sums are taken along the binary tree over ranks
// ((0+1)+(2+3))+..., so their bits do not depend on timing, and continue the lane tree of core/train/lanes.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace convoy {

enum class ReduceOp { sum, max, min };

/// How floats cross from process to process. bf16 halves the bytes: what is sent is rounded to 8 bits of mantissa (to
/// nearest even), sums are still taken in fp32. Ranks that see each other's memory send nothing, and round nothing.
enum class Wire { fp32, bf16 };

/// Where a flat buffer is cut: rank r owns [border[r], border[r + 1]).
struct Slices {
  std::vector<size_t> borders;  // size() + 1 of them, rising

  /// Cuts [begin, end) into `ranks` nearly equal parts on borders of `grain` elements.
  static Slices even(size_t begin, size_t end, int ranks, size_t grain = 16);

  template <typename T>
  std::span<T> of(std::span<T> data, int rank) const {
    const auto r = static_cast<size_t>(rank);
    return data.subspan(borders[r], borders[r + 1] - borders[r]);
  }

  /// The same slices of a buffer that begins where the first of these does.
  Slices from_zero() const;

  /// The first ranks' slices, and empty ones for the others up to `ranks`.
  Slices padded_to(int ranks) const;

  /// Throws Error(internal) unless these are `ranks` slices of a buffer of `elements`.
  void check(size_t elements, int ranks) const;
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// "MPI, 4 workers on 2 nodes".
  virtual std::string describe() const = 0;

  /// Afterwards this rank's slice of `data` holds the sum over all ranks; the rest of [borders.front(), borders.back())
  /// is unspecified, what lies outside is untouched.
  virtual void reduce_scatter(std::span<float> data, const Slices& slices, Wire wire) = 0;
  void reduce_scatter(std::span<float> data, const Slices& slices) { reduce_scatter(data, slices, Wire::fp32); }

  /// Takes the sums of elements [begin, begin + sums.size()); called part by part, in order, for all of this rank's
  /// slice. What it throws comes out of reduce_scatter, when nobody reads this rank's data any more.
  using TakeSums = std::function<void(size_t begin, std::span<const float> sums)>;
  /// Hands the sums on, perhaps while they are still in a cache; `data` is then unspecified, this rank's slice too.
  virtual void reduce_scatter(std::span<float> data, const Slices& slices, Wire wire, const TakeSums& take);

  /// Afterwards every rank's slice is everywhere, the same bits on every rank, its owner included.
  virtual void all_gather(std::span<float> data, const Slices& slices, Wire wire) = 0;
  void all_gather(std::span<float> data, const Slices& slices) { all_gather(data, slices, Wire::fp32); }

  /// Element-wise over all ranks, in rank order, the same bits on every rank. For small data: every rank sees all of
  /// it.
  virtual void all_reduce(std::span<double> data, ReduceOp op) = 0;
  virtual void all_reduce(std::span<int64_t> data, ReduceOp op) = 0;

  virtual void broadcast(std::span<std::byte> data, int root) = 0;
  virtual void barrier() = 0;

  /// The sum everywhere, the same bits on every rank: a reduce_scatter and an all_gather.
  virtual void all_reduce(std::span<float> data, Wire wire);
  void all_reduce(std::span<float> data) { all_reduce(data, Wire::fp32); }
  /// `text` of the root on every rank.
  std::string broadcast_text(const std::string& text, int root);
  /// The texts of all ranks, on every rank.
  std::vector<std::string> gather_texts(const std::string& text);
};

struct CommunicatorOptions {
  /// An operation that stands still for so long has failed.
  std::chrono::duration<double> timeout = std::chrono::seconds(60);
};

/// One rank that talks to nobody.
std::unique_ptr<Communicator> make_solo_communicator();

/// N ranks in one process, one per thread: MemoryComm (memory_comm.hpp) over the process's own memory, for tests.
std::vector<std::unique_ptr<Communicator>> make_thread_communicators(int ranks,
                                                                     const CommunicatorOptions& options = {});

}  // namespace convoy
