#include "tests/distributed/large_buffers.hpp"

#include <sys/mman.h>

#include <new>

#include "tests/distributed/case_tools.hpp"

namespace convoy {
namespace {

constexpr size_t past_int = size_t{1} << 29;  // element at byte 2^31
constexpr size_t places[] = {0, 1, 65536, past_int - 1, past_int, past_int + 5, large_count - 1};

float mark(int rank, size_t place) {
  return static_cast<float>(rank + 1) * static_cast<float>(place % 1000 + 1);
}

void set_marks(std::span<float> data, int rank) {
  for (const size_t place : places) data[place] = mark(rank, place);
}

/// Exactly what expected(place) says at the places in [begin, end), and zeros elsewhere.
template <typename Expected>
void check_marks(const char* operation, std::span<const float> data, size_t begin, size_t end,
                 const Expected& expected) {
  size_t at = begin;
  const auto zeros_until = [&](size_t stop) {
    const auto found = std::ranges::find_if(data.subspan(at, stop - at), [](float x) { return x != 0; });
    const size_t where = static_cast<size_t>(found - data.begin());
    require(where == stop, operation, ": element ", where, " is not 0");
  };
  for (const size_t place : places) {
    if (place < begin || place >= end) continue;
    zeros_until(place);
    require(data[place] == expected(place), operation, ": element ", place, ": ", data[place], " not ",
            expected(place));
    at = place + 1;
  }
  zeros_until(end);
}

}  // namespace

void check_large_buffers(Communicator& communicator, std::span<float> data, bool large_slices) {
  require(communicator.size() == 2 && data.size() == large_count, "made for two ranks");
  const int rank = communicator.rank();
  const auto sum = [](size_t place) { return mark(0, place) + mark(1, place); };
  // One slice is more than 2^31 bytes, or ends where they do; the other lies beyond them.
  const Slices slices{.borders = {large_slices ? 0 : past_int - 70, past_int + 3, large_count}};
  const size_t first = slices.borders.front();
  const size_t begin = slices.borders[static_cast<size_t>(rank)], end = slices.borders[static_cast<size_t>(rank) + 1];

  set_marks(data, rank);
  communicator.reduce_scatter(data, slices);
  check_marks("reduce_scatter", data, begin, end, sum);
  communicator.all_gather(data, slices);
  check_marks("all_gather", data, first, large_count, sum);

  set_marks(data, rank);
  communicator.all_reduce(data.subspan(first));
  check_marks("all_reduce", data, first, large_count, sum);

  for (const size_t place : places) data[place] = rank == 1 ? mark(1, place) : 0;
  communicator.broadcast(std::as_writable_bytes(data.subspan(first)), 1);
  check_marks("broadcast", data, first, large_count, [](size_t place) { return mark(1, place); });
  communicator.barrier();
  for (const size_t place : places) data[place] = 0;
}

SparseFloats::SparseFloats(size_t count) {
  void* memory =
      mmap(nullptr, count * sizeof(float), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  data_ = {static_cast<float*>(memory), count};
}

SparseFloats::~SparseFloats() {
  munmap(data_.data(), data_.size_bytes());
}

}  // namespace convoy
