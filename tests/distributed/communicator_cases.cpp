#include "tests/distributed/communicator_cases.hpp"

#include <array>
#include <type_traits>

#include "tests/distributed/case_tools.hpp"

namespace convoy {
namespace {

constexpr float untouched = -12345;

std::vector<size_t> sizes(int ranks, size_t long_slice) {
  return {0, 1, 17, 4099, static_cast<size_t>(ranks) * long_slice};
}

// Even and uneven ways to cut [begin, end), some with empty slices.
std::vector<Slices> ways_to_cut(size_t begin, size_t end, int ranks) {
  const size_t n = static_cast<size_t>(ranks);
  std::vector<Slices> ways{Slices::even(begin, end, ranks), Slices::even(begin, end, ranks, 1)};
  Slices all_first, all_last, ragged;
  for (size_t r = 0; r <= n; ++r) {
    all_first.borders.push_back(r == 0 ? begin : end);
    all_last.borders.push_back(r == n ? end : begin);
    // 0, 0, 4/9, 4/9, ...: every other slice is empty, the others grow.
    const size_t position = r / 2 * 2;
    ragged.borders.push_back(r == n ? end : begin + (end - begin) * position * position / (n * n));
  }
  ways.insert(ways.end(), {all_first, all_last, ragged});
  return ways;
}

// Calls check(data, slices, begin, end) with a buffer that has a margin around [begin, end).
template <typename Check>
void for_all_layouts(Communicator& communicator, const CaseSetting& setting, const Check& check) {
  for (const size_t size : sizes(communicator.size(), setting.long_slice)) {
    const size_t begin = 3, end = begin + size;
    for (const Slices& slices : ways_to_cut(begin, end, communicator.size())) {
      const Buffer data(communicator, setting, end + 5, untouched);
      check(data, slices, begin, end);
      for (size_t i = 0; i < data.size(); ++i) {
        if (i < begin || i >= end) require(data[i] == untouched, "element ", i, " outside the slices was changed");
      }
    }
  }
}

void reduce_scatter_sums_along_the_tree(Communicator& communicator, const CaseSetting& setting) {
  const int rank = communicator.rank();
  for_all_layouts(communicator, setting, [&](const Buffer& data, const Slices& slices, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) data[i] = contribution(rank, i);
    communicator.reduce_scatter(data, slices);
    const auto r = static_cast<size_t>(rank);
    for (size_t i = slices.borders[r]; i < slices.borders[r + 1]; ++i) {
      const float expected = expected_sum(communicator, setting, i);
      require(same_bits(data[i], expected), "element ", i, " of ", end - begin, ": ", data[i], " not ", expected);
    }
  });
}

void reduce_scatter_hands_on_sums(Communicator& communicator, const CaseSetting& setting) {
  const int rank = communicator.rank();
  for_all_layouts(communicator, setting, [&](const Buffer& data, const Slices& slices, size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) data[i] = contribution(rank, i);
    size_t next = slices.borders[static_cast<size_t>(rank)];
    communicator.reduce_scatter(data, slices, Wire::fp32, [&](size_t first, std::span<const float> sums) {
      require(first == next && !sums.empty(), "sums from ", first, " on where those from ", next, " on were due");
      next += sums.size();
      for (size_t k = 0; k < sums.size(); ++k) {
        const float expected = expected_sum(communicator, setting, first + k);
        require(same_bits(sums[k], expected), "element ", first + k, ": ", sums[k], " not ", expected);
      }
    });
    require(next == slices.borders[static_cast<size_t>(rank) + 1], "the last sum was that of ", next);
  });
}

void all_gather_brings_every_slice(Communicator& communicator, const CaseSetting& setting) {
  for_all_layouts(communicator, setting, [&](const Buffer& data, const Slices& slices, size_t, size_t) {
    for (float& x : slices.of(data.span(), communicator.rank()))
      x = contribution(communicator.rank(), data.index_of(x));
    communicator.all_gather(data, slices);
    for (int r = 0; r < communicator.size(); ++r) {
      for (const float& x : slices.of(data.span(), r)) {
        const size_t i = data.index_of(x);
        require(same_bits(x, contribution(r, i)), "element ", i, " of rank ", r, ": ", x);
      }
    }
  });
}

void all_reduce_of_floats(Communicator& communicator, const CaseSetting& setting) {
  for (const size_t size : sizes(communicator.size(), setting.long_slice)) {
    const Buffer data(communicator, setting, size);
    for (size_t i = 0; i < size; ++i) data[i] = contribution(communicator.rank(), i);
    communicator.all_reduce(data.span());
    for (size_t i = 0; i < size; ++i) {
      const float expected = expected_sum(communicator, setting, i);
      require(same_bits(data[i], expected), "element ", i, " of ", size, ": ", data[i], " not ", expected);
    }
  }
}

// Doubles with all their bits in use, so that the order of a sum shows.
template <typename T>
T small_value(int rank, size_t index) {
  return static_cast<T>(1.1 * static_cast<double>(contribution(rank, index)) * (std::is_integral_v<T> ? 1e6 : 1));
}

template <typename T>
T reduced(int ranks, size_t index, ReduceOp op) {
  T value = small_value<T>(0, index);
  for (int r = 1; r < ranks; ++r) {
    const T next = small_value<T>(r, index);
    if (op == ReduceOp::sum) value += next;
    if (op == ReduceOp::max && next > value) value = next;
    if (op == ReduceOp::min && next < value) value = next;
  }
  return value;
}

template <typename T>
void all_reduce_in_rank_order(Communicator& communicator, const CaseSetting& setting) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{7}, setting.long_slice}) {
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::min}) {
      std::vector<T> data(size);
      for (size_t i = 0; i < size; ++i) data[i] = small_value<T>(communicator.rank(), i);
      communicator.all_reduce(std::span(data), op);
      for (size_t i = 0; i < size; ++i) {
        require(data[i] == reduced<T>(communicator.size(), i, op), "op ", static_cast<int>(op), ", element ", i, ": ",
                data[i]);
      }
    }
  }
}

void broadcast_from_every_root(Communicator& communicator, const CaseSetting& setting) {
  for (int root = 0; root < communicator.size(); ++root) {
    const size_t longest = static_cast<size_t>(communicator.size()) * setting.long_slice * sizeof(float) - 1;
    for (const size_t size : {size_t{0}, size_t{1}, size_t{4096}, longest}) {
      const auto byte = [&](size_t i) { return static_cast<std::byte>((i * 31 + static_cast<size_t>(root)) % 251); };
      const Buffer floats(communicator, setting, size / sizeof(float) + 1);
      const auto data = std::as_writable_bytes(floats.span()).first(size);
      for (size_t i = 0; i < size && communicator.rank() == root; ++i) data[i] = byte(i);
      communicator.broadcast(data, root);
      for (size_t i = 0; i < size; ++i) require(data[i] == byte(i), "byte ", i, " of ", size, " from root ", root);
    }
  }
}

void barrier_again_and_again(Communicator& communicator, const CaseSetting&) {
  for (int i = 0; i < 20; ++i) communicator.barrier();
}

void texts_of_any_length(Communicator& communicator, const CaseSetting&) {
  using namespace std::string_literals;
  const auto text_of = [](int rank) {
    return rank % 3 == 1 ? ""s : std::string(static_cast<size_t>(rank) * 5, 'x') + "\0 end"s + std::to_string(rank);
  };
  const auto texts = communicator.gather_texts(text_of(communicator.rank()));
  require(texts.size() == static_cast<size_t>(communicator.size()), texts.size(), " texts");
  for (int r = 0; r < communicator.size(); ++r) {
    require(texts[static_cast<size_t>(r)] == text_of(r), "gathered text of rank ", r);
    require(communicator.broadcast_text(communicator.rank() == r ? text_of(r) : "other", r) == text_of(r),
            "broadcast text of rank ", r);
  }
}

void operations_follow_each_other(Communicator& communicator, const CaseSetting& setting) {
  const int ranks = communicator.size();
  const Buffer data(communicator, setting, 1000);
  const Slices slices = Slices::even(0, data.size(), ranks);
  for (size_t round = 0; round < 50; ++round) {
    for (size_t i = 0; i < data.size(); ++i) data[i] = contribution(communicator.rank(), i + round);
    communicator.reduce_scatter(data, slices);
    communicator.all_gather(data, slices);
    double count = 1;
    communicator.all_reduce(std::span(&count, 1), ReduceOp::sum);
    require(count == ranks, "count ", count);
    for (size_t i = 0; i < data.size(); ++i) {
      const float expected = expected_sum(communicator, setting, i + round);
      require(same_bits(data[i], expected), "round ", round, ", element ", i, ": ", data[i], " not ", expected);
    }
  }
}

/// The sum of level[0 .. count).
float tree(std::array<float, 64>& level, size_t count) {
  while (count > 1) {
    for (size_t i = 0; i + 1 < count; i += 2) level[i / 2] = level[i] + level[i + 1];
    if (count % 2 == 1) level[count / 2] = level[count - 1];
    count = (count + 1) / 2;
  }
  return level[0];
}

}  // namespace

float contribution(int rank, size_t index) {
  uint32_t bits = static_cast<uint32_t>(index) * 2654435761u + static_cast<uint32_t>(rank) * 40503u + 1u;
  bits ^= bits >> 15;
  bits *= 2246822519u;
  bits ^= bits >> 13;
  const float scale = static_cast<float>(1u << (bits % 12));
  return (static_cast<float>(bits >> 8) * 0x1p-24f - 0.5f) * scale;
}

float expected_sum(int ranks, size_t index) {
  std::array<float, 64> level;
  for (int r = 0; r < ranks; ++r) level[static_cast<size_t>(r)] = contribution(r, index);
  return tree(level, static_cast<size_t>(ranks));
}

float expected_sum(const std::vector<int>& groups, size_t index) {
  std::array<float, 64> level, sums;
  int rank = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (int i = 0; i < groups[g]; ++i) level[static_cast<size_t>(i)] = contribution(rank++, index);
    sums[g] = tree(level, static_cast<size_t>(groups[g]));
  }
  return tree(sums, groups.size());
}

const std::vector<CommunicatorCase>& communicator_cases() {
  static const std::vector<CommunicatorCase> cases = [] {
    std::vector<CommunicatorCase> all{
        {"reduce_scatter sums along the tree", reduce_scatter_sums_along_the_tree},
        {"reduce_scatter hands on sums", reduce_scatter_hands_on_sums},
        {"all_gather brings every slice", all_gather_brings_every_slice},
        {"all_reduce of floats", all_reduce_of_floats},
        {"all_reduce of doubles in rank order", all_reduce_in_rank_order<double>},
        {"all_reduce of integers", all_reduce_in_rank_order<int64_t>},
        {"broadcast from every root", broadcast_from_every_root},
        {"barrier again and again", barrier_again_and_again},
        {"texts of any length", texts_of_any_length},
        {"operations follow each other", operations_follow_each_other},
    };
    for (const CommunicatorCase& one : wire_cases()) all.push_back(one);
    return all;
  }();
  return cases;
}

void run_communicator_cases(Communicator& communicator, const CaseSetting& setting) {
  for (const CommunicatorCase& one : communicator_cases()) {
    try {
      one.run(communicator, setting);
    } catch (const std::logic_error& error) {
      throw std::logic_error(
          concat(communicator.describe(), ", rank ", communicator.rank(), ": ", one.name, ": ", error.what()));
    }
  }
}

}  // namespace convoy
