// Dropout on the CPU: 16 blocks of random words at a time, one in each lane of a vector, and then the 64 elements that
// they decide about.
#include <algorithm>

#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/dropout.hpp"

namespace convoy {
namespace {

constexpr int64_t blocks = 16;
constexpr int64_t group = 4 * blocks;

/// Elements that are worth a second thread.
constexpr int64_t dropout_grain = 8192;

/// The mask of one image and what is done to elements that are kept.
struct Mask {
  RandomStream random;
  uint32_t threshold;  // words below it drop their element
  float scale;
};

/// word[i] decides about element first + i; first is a multiple of the group.
[[gnu::always_inline]] inline void draw(const RandomStream& random, int64_t first, uint32_t* word) {
  const uint64_t index = static_cast<uint64_t>(first) / 4;
#pragma omp simd simdlen(blocks)
  for (uint32_t j = 0; j < blocks; ++j) {
    const PhiloxBlock block = random.block(index + j);
    word[4 * j] = block.word[0];
    word[4 * j + 1] = block.word[1];
    word[4 * j + 2] = block.word[2];
    word[4 * j + 3] = block.word[3];
  }
}

/// y = x * scale where kept, else 0, for elements [begin, end) of an image; begin is a multiple of the group.
CONVOY_ISA_CLONES void drop(const Mask& mask, int64_t begin, int64_t end, const float* x, float* y) {
  const uint32_t threshold = mask.threshold;
  const float scale = mask.scale;
  for (int64_t first = begin; first < end; first += group) {
    uint32_t word[group];
    draw(mask.random, first, word);
    const int64_t n = std::min(group, end - first);
    const float* from = x + first;
    float* to = y + first;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] = word[i] >= threshold ? from[i] * scale : 0.0f;
  }
}

/// y += the same.
CONVOY_ISA_CLONES void add_dropped(const Mask& mask, int64_t begin, int64_t end, const float* x, float* y) {
  const uint32_t threshold = mask.threshold;
  const float scale = mask.scale;
  for (int64_t first = begin; first < end; first += group) {
    uint32_t word[group];
    draw(mask.random, first, word);
    const int64_t n = std::min(group, end - first);
    const float* from = x + first;
    float* to = y + first;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) to[i] += word[i] >= threshold ? from[i] * scale : 0.0f;
  }
}

class CpuDropout final : public Dropout {
 public:
  CpuDropout(const DropoutSpec& spec, const OpOptions& options)
      : count_(spec.count), options_(options), threshold_(dropout_threshold(spec)), scale_(1.0f / (1.0f - spec.p)) {}

  void forward(const OpContext&, const DropoutKey& key, const float* x, float* y) override {
    apply(key, x, y, Write::overwrite);
  }

  void backward(const OpContext&, const DropoutKey& key, const float* dy, float* dx, Write write) override {
    apply(key, dy, dx, write);
  }

 private:
  /// Forward and backward are the same function.
  void apply(const DropoutKey& key, const float* x, float* y, Write write) const {
    const TeamThreads threads(options_.threads);
    const int64_t groups = (count_ + group - 1) / group;
    parallel_for(options_.batch * groups, dropout_grain / group, [&](int64_t begin, int64_t end) {
      while (begin < end) {
        const int64_t image = begin / groups, first = begin % groups;
        const int64_t last = std::min(first + end - begin, groups);
        const Mask mask{random_of(key, image), threshold_, scale_};
        const auto function = write == Write::accumulate ? add_dropped : drop;
        function(mask, first * group, std::min(last * group, count_), x + image * count_, y + image * count_);
        begin += last - first;
      }
    });
  }

  const int64_t count_;
  const OpOptions options_;
  const uint32_t threshold_;
  const float scale_;
};

}  // namespace

std::unique_ptr<Dropout> make_dropout_cpu(Device&, const DropoutSpec& spec, const OpOptions& options) {
  return std::make_unique<CpuDropout>(spec, options);
}

}  // namespace convoy
