// A communicator between ranks that see the same memory.
//
// Between two meetings rank r writes only its own slice - of its own buffer (reduce_scatter) or of all (all_reduce) -
// or only the others' slices of its own buffer (all_gather), so no float is written by one rank while another touches
// it.
#include "distributed/memory_comm.hpp"

#include <algorithm>
#include <cstring>
#include <exception>

#include "core/base/error.hpp"
#include "core/train/tree_sum.hpp"
#include "distributed/rank_order.hpp"

namespace convoy {

namespace {

constexpr uint64_t out_of_sight = UINT64_MAX;

}  // namespace

MemoryComm::MemoryComm(std::shared_ptr<void> memory, const MeetingPlace& place, int rank, const Sight& sight,
                       std::string kind)
    : memory_(std::move(memory)),
      place_(place),
      rank_(rank),
      sight_(sight),
      kind_(std::move(kind)),
      peers_(static_cast<size_t>(place.ranks())),
      contributions_(static_cast<size_t>(place.ranks())) {}

MemoryComm::~MemoryComm() {
  place_.break_up(concat("worker ", rank_, " has left"));
}

std::string MemoryComm::describe() const {
  return concat(kind_, ", ", size(), size() == 1 ? " worker" : " workers");
}

uint64_t MemoryComm::offset_of(std::span<const std::byte> data) const {
  const auto address = reinterpret_cast<uintptr_t>(data.data()), base = reinterpret_cast<uintptr_t>(sight_.base);
  const bool inside =
      address >= base && address - base <= sight_.bytes && data.size() <= sight_.bytes - (address - base);
  return inside ? address - base : out_of_sight;
}

void MemoryComm::check_same_call(const Call& mine) const {
  for (int r = 0; r < size(); ++r) {
    const Call& other = place_.call(r, turn_);
    if (std::strcmp(mine.operation, other.operation) == 0 && mine.count == other.count) continue;
    fail(ExitCode::internal, "worker ", rank_, " calls ", mine.operation, " of ", mine.count, " while worker ", r,
         " calls ", other.operation, " of ", other.count, ": please report this defect in Convoy");
  }
}

// work(part) runs while every rank's data of this part can be read through peer(), and nobody's is used by its owner.
// It must not throw: others may still be reading.
template <typename T, typename Work>
void MemoryComm::together(const char* operation, std::span<T> data, const Work& work, const Manner& manner) {
  try {
    if (manner.slices != nullptr) manner.slices->check(data.size(), size());
    Call mine{.offset = offset_of(std::as_bytes(data)), .count = data.size()};
    std::strncpy(mine.operation, operation, sizeof(mine.operation) - 1);
    place_.bring(rank_, ++turn_, mine);
    place_.meet(operation, place_.deadline());
    check_same_call(mine);

    bool in_sight = true, in_common = true;
    for (int r = 0; r < size(); ++r) {
      const uint64_t offset = place_.call(r, turn_).offset;
      in_sight &= offset != out_of_sight;
      in_common &= offset == mine.offset;
      peers_[static_cast<size_t>(r)] = reinterpret_cast<std::byte*>(reinterpret_cast<uintptr_t>(sight_.base) + offset);
    }
    if (in_sight) {
      work(Part{.begin = 0, .end = data.size()});
      // Of one buffer that is the same memory for all, nobody reads what another might write next, or is yet to write.
      if ((!in_common || manner.results == Results::everybodys) && !data.empty())
        place_.meet(operation, place_.deadline());
      return;
    }
    const size_t most = sight_.bounce_bytes / sizeof(T);
    const auto bounce = [&](int r) { return sight_.bounce + static_cast<size_t>(r) * sight_.bounce_bytes; };
    for (int r = 0; r < size(); ++r) peers_[static_cast<size_t>(r)] = bounce(r);
    for (size_t begin = 0; begin < data.size(); begin += most) {
      const Part part{.begin = begin, .end = std::min(data.size(), begin + most)};
      std::memcpy(bounce(rank_), data.data() + part.begin, (part.end - part.begin) * sizeof(T));
      place_.meet(operation, place_.deadline());
      work(part);
      place_.meet(operation, place_.deadline());
      if (manner.results == Results::everybodys) {
        std::memcpy(data.data() + part.begin, bounce(rank_), (part.end - part.begin) * sizeof(T));
      }
    }
  } catch (const std::exception& error) {
    place_.break_up(concat("worker ", rank_, " failed: ", error.what()));
    throw;
  }
}

std::span<const float* const> MemoryComm::contributions(size_t begin) {
  for (int other = 0; other < size(); ++other) {
    contributions_[static_cast<size_t>(other)] = peer<const float>(other) + begin;
  }
  return contributions_;
}

void MemoryComm::reduce_scatter(std::span<float> data, const Slices& slices, Wire) {
  const auto sum = [&](Part part) {
    const Part mine = part.common_with(slices, rank_);
    if (mine.begin >= mine.end) return;
    tree_sum(data.subspan(mine.begin, mine.end - mine.begin), contributions(mine.begin - part.begin));
  };
  together("reduce_scatter", data, sum, {.slices = &slices});
}

void MemoryComm::reduce_scatter(std::span<float> data, const Slices& slices, Wire, const TakeSums& take) {
  constexpr size_t block = 4096;  // floats: 16 KiB, which stay in a core's nearest cache
  alignas(64) float sums[block];
  std::exception_ptr error;
  const auto sum_and_take = [&](Part part) {
    const Part mine = part.common_with(slices, rank_);
    for (size_t begin = mine.begin; begin < mine.end; begin += block) {
      const size_t count = std::min(block, mine.end - begin);
      tree_sum({sums, count}, contributions(begin - part.begin));
      try {
        if (!error) take(begin, {sums, count});
      } catch (...) {
        error = std::current_exception();
      }
    }
  };
  together("reduce_scatter", data, sum_and_take, {.slices = &slices});
  if (error) std::rethrow_exception(error);
}

void MemoryComm::all_reduce(std::span<float> data, Wire) {
  constexpr size_t block = 16384;  // floats: 64 KiB, of which a core's caches hold several
  const auto sum_slice = [&](Part part) {
    const Slices slices = Slices::even(0, part.end - part.begin, size());
    const auto r = static_cast<size_t>(rank_);
    for (size_t begin = slices.borders[r]; begin < slices.borders[r + 1]; begin += block) {
      const size_t count = std::min(block, slices.borders[r + 1] - begin);
      float* sum = peer<float>(rank_) + begin;
      tree_sum({sum, count}, contributions(begin));
      for (int other = 0; other < size(); ++other) {
        if (other != rank_) std::copy_n(sum, count, peer<float>(other) + begin);
      }
    }
  };
  together("all_reduce of floats", data, sum_slice, {.results = Results::everybodys});
}

void MemoryComm::all_gather(std::span<float> data, const Slices& slices, Wire) {
  const auto copy = [&](Part part) {
    for (int other = 0; other < size(); ++other) {
      const auto [begin, end] = part.common_with(slices, other);
      const float* source = peer<const float>(other) + (begin - part.begin);
      if (begin < end && source != data.data() + begin) std::copy_n(source, end - begin, data.data() + begin);
    }
  };
  together("all_gather", data, copy, {.slices = &slices});
}

void MemoryComm::broadcast(std::span<std::byte> data, int root) {
  together("broadcast", data, [&](Part part) {
    const std::byte* source = peer<const std::byte>(root);
    if (rank_ != root && source != data.data() + part.begin) {
      std::copy_n(source, part.end - part.begin, data.data() + part.begin);
    }
  });
}

void MemoryComm::barrier() {
  together("barrier", std::span<std::byte>(), [](Part) {});
}

template <typename T>
void MemoryComm::reduce_small(std::span<T> data, ReduceOp op) {
  // Others still read this rank's values while it has the result.
  std::vector<T> all, result;
  together("all_reduce", data, [&](Part part) {
    const size_t count = part.end - part.begin;
    all.clear();
    for (int r = 0; r < size(); ++r) all.insert(all.end(), peer<const T>(r), peer<const T>(r) + count);
    result.resize(part.end);
    reduce_in_rank_order(std::span(result).subspan(part.begin), all.data(), size(), op);
  });
  std::ranges::copy(result, data.begin());
}

std::vector<std::unique_ptr<Communicator>> make_thread_communicators(int ranks, const CommunicatorOptions& options) {
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  const size_t lines = (MeetingPlace::bytes(ranks) + sizeof(Line) - 1) / sizeof(Line);
  const auto memory = std::make_shared<std::vector<Line>>(lines);
  const MeetingPlace place(memory->data(), ranks, options.timeout);
  std::vector<std::unique_ptr<Communicator>> communicators;
  for (int r = 0; r < ranks; ++r) {
    communicators.push_back(std::make_unique<MemoryComm>(memory, place, r, Sight{.bytes = SIZE_MAX}, "threads"));
  }
  return communicators;
}

}  // namespace convoy
