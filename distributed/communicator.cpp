// What every communicator shares: slices, operations built from others, and the communicator of a single rank.
#include "distributed/communicator.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/error.hpp"

namespace convoy {

Slices Slices::even(size_t begin, size_t end, int ranks, size_t grain) {
  const size_t parts = static_cast<size_t>(ranks);
  const size_t grains = (end - begin + grain - 1) / grain;
  Slices slices;
  slices.borders.reserve(parts + 1);
  for (size_t rank = 0; rank <= parts; ++rank) {
    slices.borders.push_back(std::min(end, begin + grains * rank / parts * grain));
  }
  return slices;
}

Slices Slices::from_zero() const {
  Slices moved = *this;
  for (size_t& border : moved.borders) border -= borders.front();
  return moved;
}

Slices Slices::padded_to(int ranks) const {
  Slices padded = *this;
  padded.borders.resize(static_cast<size_t>(ranks) + 1, borders.back());
  return padded;
}

void Slices::check(size_t elements, int ranks) const {
  if (borders.size() == static_cast<size_t>(ranks) + 1 && std::is_sorted(borders.begin(), borders.end()) &&
      borders.back() <= elements) {
    return;
  }
  fail(ExitCode::internal, borders.size(), " borders up to element ", borders.empty() ? 0 : borders.back(),
       " do not cut a buffer of ", elements, " elements into ", ranks, " slices: please report this defect in Convoy");
}

void Communicator::reduce_scatter(std::span<float> data, const Slices& slices, Wire wire, const TakeSums& take) {
  reduce_scatter(data, slices, wire);
  const std::span<const float> sums = slices.of(data, rank());
  if (!sums.empty()) take(slices.borders[static_cast<size_t>(rank())], sums);
}

void Communicator::all_reduce(std::span<float> data, Wire wire) {
  const Slices slices = Slices::even(0, data.size(), size());
  reduce_scatter(data, slices, wire);
  all_gather(data, slices, wire);
}

std::string Communicator::broadcast_text(const std::string& text, int root) {
  uint64_t length = text.size();
  broadcast(std::as_writable_bytes(std::span(&length, 1)), root);
  std::string result = text;
  result.resize(length);
  broadcast(std::as_writable_bytes(std::span(result)), root);
  return result;
}

std::vector<std::string> Communicator::gather_texts(const std::string& text) {
  std::vector<int64_t> lengths(static_cast<size_t>(size()), 0);
  lengths[static_cast<size_t>(rank())] = static_cast<int64_t>(text.size());
  all_reduce(std::span(lengths), ReduceOp::sum);

  // all_gather moves bits without looking at them, so texts travel as floats.
  Slices slices{.borders = {0}};
  for (const int64_t length : lengths) {
    slices.borders.push_back(slices.borders.back() + (static_cast<size_t>(length) + sizeof(float) - 1) / sizeof(float));
  }
  std::vector<float> data(slices.borders.back());
  const auto text_at = [&](size_t r) { return reinterpret_cast<char*>(data.data() + slices.borders[r]); };
  std::copy(text.begin(), text.end(), text_at(static_cast<size_t>(rank())));
  all_gather(data, slices);

  std::vector<std::string> texts;
  for (size_t r = 0; r < lengths.size(); ++r) texts.emplace_back(text_at(r), static_cast<size_t>(lengths[r]));
  return texts;
}

namespace {

class SoloComm : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::string describe() const override { return "1 worker"; }
  void reduce_scatter(std::span<float> data, const Slices& slices, Wire) override { slices.check(data.size(), 1); }
  void all_gather(std::span<float> data, const Slices& slices, Wire) override { slices.check(data.size(), 1); }
  void all_reduce(std::span<double>, ReduceOp) override {}
  void all_reduce(std::span<int64_t>, ReduceOp) override {}
  void broadcast(std::span<std::byte>, int) override {}
  void barrier() override {}
};

}  // namespace

std::unique_ptr<Communicator> make_solo_communicator() {
  return std::make_unique<SoloComm>();
}

}  // namespace convoy
