// Wire::bf16: how far sums may be off, who sees what, and that memory in sight is not rounded.
#include "tests/distributed/case_tools.hpp"

namespace convoy {
namespace {

/// Half a step of bf16's 8 bits is at most 2^-8 of a number. A sum whose terms were rounded is off by that part of what
/// they add up to without signs; rounded itself once more, by as much again. fp32's own rounding fits in the 1 %.
double bound(const Communicator& communicator, size_t index, int roundings) {
  double without_signs = 0;
  for (int r = 0; r < communicator.size(); ++r) without_signs += std::abs(static_cast<double>(contribution(r, index)));
  return 1.01 * roundings * 0x1p-8 * without_signs;
}

double exact_sum(const Communicator& communicator, size_t index) {
  double sum = 0;
  for (int r = 0; r < communicator.size(); ++r) sum += static_cast<double>(contribution(r, index));
  return sum;
}

/// Elements of `data` in [begin, end) are sums over the ranks.
void check_sums(Communicator& communicator, const CaseSetting& setting, const Buffer& data, size_t begin, size_t end,
                int roundings) {
  size_t rounded = 0;
  for (size_t i = begin; i < end; ++i) {
    const float fp32 = expected_sum(communicator, setting, i);
    if (!same_bits(data[i], fp32)) ++rounded;
    const double off = std::abs(static_cast<double>(data[i]) - exact_sum(communicator, i));
    require(off <= bound(communicator, i, roundings), "element ", i, ": ", data[i], " not about ", fp32);
  }
  // Some sums come out the same all the same.
  if (!setting.rounds) require(rounded == 0, rounded, " sums were rounded, although nothing is sent");
  if (setting.rounds && end - begin > 100) require(rounded > (end - begin) / 2, "only ", rounded, " sums were rounded");
}

void bf16_sums_are_near(Communicator& communicator, const CaseSetting& setting) {
  const size_t longest = static_cast<size_t>(communicator.size()) * setting.long_slice;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{17}, longest}) {
    const Buffer data(communicator, setting, size);
    const auto fill = [&] {
      for (size_t i = 0; i < size; ++i) data[i] = contribution(communicator.rank(), i);
    };
    fill();
    const Slices slices = Slices::even(0, size, communicator.size(), 1);
    communicator.reduce_scatter(data, slices, Wire::bf16);
    const auto r = static_cast<size_t>(communicator.rank());
    // Where nodes sum first, their sums are handed back rounded.
    const int roundings = setting.groups.empty() ? 1 : 2;
    check_sums(communicator, setting, data, slices.borders[r], slices.borders[r + 1], roundings);

    fill();
    communicator.all_reduce(data.span(), Wire::bf16);
    check_sums(communicator, setting, data, 0, size, 2);

    const std::vector<float> mine(data.span().begin(), data.span().end());
    communicator.broadcast(std::as_writable_bytes(data.span()), 0);
    for (size_t i = 0; i < size; ++i)
      require(same_bits(mine[i], data[i]), "element ", i, ": ", mine[i], " not ", data[i]);
  }
}

void bf16_gathers_give_everybody_the_same(Communicator& communicator, const CaseSetting& setting) {
  const size_t longest = static_cast<size_t>(communicator.size()) * setting.long_slice;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{17}, longest}) {
    const size_t begin = 5, end = begin + size;  // slices of a buffer that begins before them
    const Buffer data(communicator, setting, end + 1);
    const Slices slices = Slices::even(begin, end, communicator.size(), 1);
    for (float& x : slices.of(data.span(), communicator.rank()))
      x = contribution(communicator.rank(), data.index_of(x));
    communicator.all_gather(data, slices, Wire::bf16);
    for (int r = 0; r < communicator.size(); ++r) {
      for (const float& x : slices.of(data.span(), r)) {
        const size_t i = data.index_of(x);
        const float sent = contribution(r, i), expected = setting.rounds ? nearest_bf16(sent) : sent;
        require(same_bits(x, expected), "element ", i, " of rank ", r, ": ", x, " not ", expected);
      }
    }
    require(data[0] == 0 && data[end] == 0, "what lies outside was changed");
  }
}

// Integers up to 256 are bf16 numbers, and so are their sums here.
void bf16_sums_of_small_integers_are_exact(Communicator& communicator, const CaseSetting& setting) {
  const auto integer = [](int rank, size_t i) {
    return static_cast<int>((i * 7 + static_cast<size_t>(rank) * 5) % 33) - 16;
  };
  const Buffer data(communicator, setting, static_cast<size_t>(communicator.size()) * setting.long_slice);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(integer(communicator.rank(), i));
  communicator.all_reduce(data.span(), Wire::bf16);
  for (size_t i = 0; i < data.size(); ++i) {
    int expected = 0;
    for (int r = 0; r < communicator.size(); ++r) expected += integer(r, i);
    require(data[i] == static_cast<float>(expected), "element ", i, ": ", data[i], " not ", expected);
  }
}

}  // namespace

std::vector<CommunicatorCase> wire_cases() {
  return {{"bf16 sums are near, and the same everywhere", bf16_sums_are_near},
          {"bf16 gathers give everybody the same", bf16_gathers_give_everybody_the_same},
          {"bf16 sums of small integers are exact", bf16_sums_of_small_integers_are_exact}};
}

}  // namespace convoy
