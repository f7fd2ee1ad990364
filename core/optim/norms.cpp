#include "core/optim/norms.hpp"

#include <algorithm>
#include <utility>

#include "core/base/isa.hpp"

namespace convoy {
namespace {

constexpr size_t block = SegmentTable::alignment;

/// sums[b] = the squares of elements [64 b, 64 (b + 1)) of x, of which there are n. Eight partial sums of every eighth
/// element, so that the order is fixed and the loop still runs in vectors.
CONVOY_ISA_CLONES void square_blocks(const float* x, size_t n, double* sums) {
  for (size_t b = 0; b * block < n; ++b) {
    const float* first = x + b * block;
    const size_t count = std::min(block, n - b * block);
    double partial[8] = {};
    for (size_t i = 0; i + 8 <= count; i += 8) {
      for (size_t j = 0; j < 8; ++j)
        partial[j] += static_cast<double>(first[i + j]) * static_cast<double>(first[i + j]);
    }
    for (size_t i = count / 8 * 8; i < count; ++i) {
      partial[i % 8] += static_cast<double>(first[i]) * static_cast<double>(first[i]);
    }
    sums[b] = ((partial[0] + partial[1]) + (partial[2] + partial[3])) +
              ((partial[4] + partial[5]) + (partial[6] + partial[7]));
  }
}

void add_squares(const float* x, size_t n, ExactSum& sum) {
  constexpr size_t blocks_at_once = 64;
  double squares[blocks_at_once];
  for (size_t i = 0; i < n; i += blocks_at_once * block) {
    const size_t count = std::min(blocks_at_once * block, n - i);
    square_blocks(x + i, count, squares);
    for (size_t b = 0; b * block < count; ++b) sum.add(squares[b]);
  }
}

}  // namespace

NormSums::NormSums(const SegmentTable& table, NormNeed need)
    : need_(need),
      sums_(2 * table.segments().size()),
      words_(sums_.size() * ExactSum::words),
      norms_(table.segments().size()) {}

NormSums::NormSums(Device& device, const SegmentTable& table, NormNeed need) : NormSums(table, need) {
  if (device.backend() == Backend::cuda) device_ = make_norm_sums_cuda(device, table, need);
}

void NormSums::clear() {
  if (device_) device_->clear();
  std::ranges::fill(sums_, ExactSum());
}

void NormSums::add(const ParameterArena& arena, size_t begin, size_t end) {
  if (device_) return device_->add(arena, begin, end);
  const auto& segments = arena.table().segments();
  for (size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    const size_t first = std::max(begin, segment.offset), last = std::min(end, segment.offset + segment.count);
    if (first >= last || !segment.is_parameter()) continue;
    add_squares(arena.gradients().data() + first, last - first, sums_[2 * i]);
    if (need_ == NormNeed::gradients_and_weights) {
      add_squares(arena.weights().data() + first, last - first, sums_[2 * i + 1]);
    }
  }
}

std::span<int64_t> NormSums::words() {
  if (device_) device_->read(words_);
  for (size_t i = 0; i < sums_.size(); ++i) {
    const auto words = std::span(words_).subspan(i * ExactSum::words).first<ExactSum::words>();
    if (device_) sums_[i].load(words);
    sums_[i].store(words);
  }
  return words_;
}

std::span<const SquaredNorms> NormSums::norms() {
  const auto value = [&](size_t i) {
    ExactSum sum;
    sum.load(std::span(std::as_const(words_)).subspan(i * ExactSum::words).first<ExactSum::words>());
    return sum.value();
  };
  for (size_t i = 0; i < norms_.size(); ++i) norms_[i] = {.gradient = value(2 * i), .weight = value(2 * i + 1)};
  return norms_;
}

}  // namespace convoy
