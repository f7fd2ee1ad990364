// The forward pass: y (N,K) = x (N,C) W^T, where the depth C is contiguous in W (K,C). See product.hpp.
//
// A tile takes some rows of W as they lie in memory and broadcasts their elements; the samples of x stand side by side
// in vectors. So W, the large factor, is read once, in order, and never packed (in bf16 it is rounded on the way).
#include "core/ops/fc/panels.hpp"
#include "core/ops/fc/product.hpp"

namespace convoy::fc {
namespace {

constexpr int64_t block_groups = 1024;  // depth of a block: what is packed of 64 samples, 256 KB, stays in a cache
constexpr int64_t chunk_lines = 48;     // lines of W at which all samples take turns: whole tiles of every width

/// Panels of samples, as even as they can be: a tile is as wide as a panel.
Panels samples_of(const Kernels& kernels, const Extents& e) {
  const int64_t vectors = up(e.i, kernels.lanes), panels = up(vectors, Kernels::most_vectors);
  return {e.i,           e.p,           up(vectors, panels) * kernels.lanes,
          kernels.lanes, kernels.group, block_depth(kernels, e.p, block_groups)};
}

int64_t copy_stride(const Kernels& kernels, const Panels& samples) {
  return up(samples.block / samples.group, kernels.lanes) * kernels.lanes;
}

int64_t copy_elements(const Kernels& kernels, const Panels& samples) {
  return chunk_lines * copy_stride(kernels, samples);
}

/// Some lines of W, at most a chunk, over one block of depth: columns from j on of the result.
void multiply_chunk(const Kernels& kernels, const Panels& samples, const float* packed, const Factor& w, int64_t block,
                    int64_t j, int64_t count, const Output& out, int64_t out_stride, float* copy) {
  const float* lines = w.at(j, block * samples.block);
  int64_t stride = w.stride;
  if (samples.group > 1 || count < chunk_lines) {
    stride = copy_stride(kernels, samples);
    kernels.copy_lines({lines, w.stride, true}, count, chunk_lines, samples.depth_of(block), copy, stride);
    lines = copy;
  }
  for (int64_t panel = 0; panel < samples.panels; ++panel) {
    const int64_t vectors = samples.width_of(panel) / kernels.lanes, step = kernels.lines_of_tile(vectors);
    for (int64_t first = 0; first < count; first += step) {
      kernels.tile_of_lines(samples.groups_of(block), vectors, packed + samples.offset(block, panel),
                            lines + first * stride, stride,
                            {.data = out.data + panel * samples.width * out_stride + j + first,
                             .stride = out_stride,
                             .rows = samples.count_of(panel),
                             .columns = std::min(step, count - first),
                             .bias = out.bias && block == 0 ? out.bias + j + first : nullptr,
                             .add = out.add || block > 0});
    }
  }
}

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
    const int64_t last = std::min(e.j, end * kernels.lanes);
    for (int64_t block = 0; block < samples.blocks; ++block) {
      for (int64_t j = begin * kernels.lanes; j < last; j += chunk_lines) {
        multiply_chunk(kernels, samples, packed, b, block, j, std::min(chunk_lines, last - j), out, e.j, copy);
      }
    }
  });
}

}  // namespace convoy::fc
