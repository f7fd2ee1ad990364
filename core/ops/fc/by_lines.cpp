// The forward pass: y (N,K) = x (N,C) W^T, where the depth C is contiguous in W (K,C). See product.hpp.
//
// A tile takes some rows of W as they lie in memory and broadcasts their elements; the samples of x stand side by side
// in vectors. So W, the large factor, is read once, in order, and never packed (in bf16 it is rounded on the way).
#include "core/ops/fc/panels.hpp"
#include "core/ops/fc/product.hpp"

namespace convoy::fc {
namespace {

constexpr int64_t block_groups = 1024;  // depth of a block: what is packed of 64 samples, 256 KB, stays in a cache

/// Panels of samples, as even as they can be: each is a pass over all of W.
Panels samples_of(const Kernels& kernels, const Extents& e) {
  const int64_t vectors = up(e.i, kernels.lanes), panels = up(vectors, Kernels::most_vectors);
  return {e.i,           e.p,           up(vectors, panels) * kernels.lanes,
          kernels.lanes, kernels.group, block_depth(kernels, e.p, block_groups)};
}

int64_t copy_stride(const Kernels& kernels, const Panels& samples) {
  return up(samples.block / samples.group, kernels.lanes) * kernels.lanes;
}

int64_t copy_elements(const Kernels& kernels, const Panels& samples) {
  return kernels.lanes * copy_stride(kernels, samples);
}

/// The work of one thread: some lines of W, which are columns of the result.
class Lines {
 public:
  Lines(const Kernels& kernels, const Panels& samples, const Factor& w, int64_t begin, int64_t end, float* copy)
      : kernels_(kernels), samples_(samples), w_(w), begin_(begin), end_(end), copy_(copy) {}

  /// One panel of samples, one block of depth. `out` is where the panel's first column 0 is.
  void multiply(const float* panel, int64_t width, int64_t block, TileOutput out, const float* bias) {
    const int64_t vectors = width / kernels_.lanes, step = kernels_.lines_of_tile(vectors);
    const int64_t groups = samples_.groups_of(block);
    float* const to = out.data;
    for (int64_t j = begin_; j < end_; j += step) {
      out.data = to + j;
      out.columns = std::min(step, end_ - j);
      out.bias = bias ? bias + j : nullptr;
      const float* lines = w_.at(j, block * samples_.block);
      int64_t stride = w_.stride;
      if (samples_.group > 1 || out.columns < step) {
        stride = copy_stride(kernels_, samples_);
        kernels_.copy_lines({lines, w_.stride, true}, out.columns, step, samples_.depth_of(block), copy_, stride);
        lines = copy_;
      }
      kernels_.tile_of_lines(groups, vectors, panel, lines, stride, out);
    }
  }

 private:
  const Kernels& kernels_;
  const Panels& samples_;
  const Factor& w_;
  const int64_t begin_, end_;
  float* copy_;
};

}  // namespace

size_t by_lines_scratch(const Kernels& kernels, const Extents& e, int threads) {
  const Panels samples = samples_of(kernels, e);
  return static_cast<size_t>(samples.all_elements() + threads * copy_elements(kernels, samples)) * sizeof(float);
}

void multiply_by_lines(const Kernels& kernels, const Extents& e, const Factor& a, const Factor& b, const Output& out,
                       void* scratch) {
  const Panels samples = samples_of(kernels, e);
  float* packed = static_cast<float*>(scratch);
  float* copies = packed + samples.all_elements();
  pack_all(kernels, samples, a, packed);
  const int64_t grain = std::max<int64_t>(1, range_work / (e.i * e.p * kernels.lanes));
  parallel_for(up(e.j, kernels.lanes), grain, [&](int64_t begin, int64_t end) {
    float* copy = copies + team_thread() * copy_elements(kernels, samples);
    Lines lines(kernels, samples, b, begin * kernels.lanes, std::min(e.j, end * kernels.lanes), copy);
    for (int64_t panel = 0; panel < samples.panels; ++panel) {
      for (int64_t block = 0; block < samples.blocks; ++block) {
        lines.multiply(packed + samples.offset(block, panel), samples.width_of(panel), block,
                       {.data = out.data + panel * samples.width * e.j,
                        .stride = e.j,
                        .rows = samples.count_of(panel),
                        .add = out.add || block > 0},
                       block == 0 ? out.bias : nullptr);
      }
    }
  });
}

}  // namespace convoy::fc
