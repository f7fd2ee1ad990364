// Backward weights: tiles of the input and of the output's gradient are transformed, their products summed over all
// tiles, position by position, and the sums transformed back.
//
// Each thread sums a block of the weights, (some filters) x (some channels), over all tiles, and waits for nobody. What
// threads share, they each transform for themselves.
#include <algorithm>
#include <utility>

#include "core/base/parallel.hpp"
#include "core/ops/conv/winograd/tiling.hpp"
#include "core/ops/conv/winograd/winograd.hpp"

namespace convoy::winograd {
namespace {

/// Tiles whose transforms are kept at once. The sums are read and written once for so many: the transforms get as much
/// memory as the sums have, but no less than the second cache and no more than the last one holds.
int64_t chunk_of_tiles(int64_t positions, int64_t inputs, int64_t outputs) {
  constexpr int64_t mebi = int64_t{1} << 18;  // floats in a MiB
  const int64_t floats = std::clamp(positions * inputs * outputs, mebi, 16 * mebi);
  return std::max<int64_t>(floats / std::max<int64_t>(positions * (inputs + outputs), 1), 64);
}

/// Channels cut into `parts` nearly equal ranges on borders of whole vectors.
struct Ranges {
  static constexpr int64_t unit = 16;
  int64_t channels = 0, parts = 1;

  static int64_t most(int64_t channels) { return (channels + unit - 1) / unit; }
  int64_t begin(int64_t part) const { return std::min(most(channels) * part / parts * unit, channels); }
  int64_t largest() const {
    int64_t size = 0;
    for (int64_t part = 0; part < parts; ++part) size = std::max(size, begin(part + 1) - begin(part));
    return size;
  }
};

/// As many blocks of one group's weights as there are threads for it (or as the channels allow), and of those the ones
/// with the least to transform.
std::pair<Ranges, Ranges> cut(int64_t inputs, int64_t outputs, int64_t threads) {
  Ranges best_inputs{inputs, 1}, best_outputs{outputs, 1};
  int64_t most_blocks = 1, least_work = inputs + outputs;
  for (int64_t a = 1; a <= std::min(threads, Ranges::most(inputs)); ++a) {
    const int64_t b = std::min(threads / a, Ranges::most(outputs)), work = inputs * b + outputs * a;
    if (a * b < most_blocks || (a * b == most_blocks && work >= least_work)) continue;
    best_inputs.parts = a;
    best_outputs.parts = b;
    most_blocks = a * b;
    least_work = work;
  }
  return {best_inputs, best_outputs};
}

class WinogradBackwardWeights final : public ConvBackwardWeights {
 public:
  WinogradBackwardWeights(const ConvSpec& spec, const OpOptions& options, const ConvKernels& kernels,
                          const WinogradKernels& winograd)
      : ConvBackwardWeights(name_of(winograd)),
        problem_(forward_problem(spec, options.batch)),
        threads_(options.threads),
        kernels_(kernels),
        winograd_(winograd),
        tiling_(problem_, winograd),
        ranges_(
            cut(problem_.group_inputs(), problem_.group_outputs(), (threads_ + problem_.groups - 1) / problem_.groups)),
        chunk_(
            std::min(chunk_of_tiles(winograd.positions(), inputs().largest(), outputs().largest()), tiling_.tiles())),
        input_(inputs().largest(), chunk_),
        gradient_(outputs().largest(), chunk_),
        sum_(inputs().largest(), outputs().largest()) {
    Layout layout;
    input_at_ = layout.add(input_.bytes(winograd.positions()));
    gradient_at_ = layout.add(gradient_.bytes(winograd.positions()));
    sum_at_ = layout.add(sum_.bytes(winograd.positions()));
    zeros_at_ = layout.add(static_cast<size_t>(std::max(inputs().largest(), outputs().largest())) * sizeof(float));
    thread_bytes_ = layout.bytes();
  }

  size_t scratch_bytes() const override { return thread_bytes_ * static_cast<size_t>(threads_); }

  void run(const OpContext& context, const float* x, const float* dy, float* dweight, float* dbias) override {
    const TeamThreads team(threads_);
    const int64_t blocks = inputs().parts * outputs().parts;
    parallel_for(problem_.groups * blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t in = i % inputs().parts, out = i % blocks / inputs().parts;
        run_block(context, x, dy, dweight, in == 0 ? dbias : nullptr,
                  {.group = i / blocks,
                   .input = inputs().begin(in),
                   .inputs = inputs().begin(in + 1) - inputs().begin(in),
                   .output = outputs().begin(out),
                   .outputs = outputs().begin(out + 1) - outputs().begin(out)});
      }
    });
  }

 private:
  /// A part of one group's weights; channels are counted within the group.
  struct Block {
    int64_t group, input, inputs, output, outputs;
  };

  const Ranges& inputs() const { return ranges_.first; }
  const Ranges& outputs() const { return ranges_.second; }

  void run_block(const OpContext& context, const float* x, const float* dy, float* dweight, float* dbias,
                 const Block& block) const {
    std::byte* scratch = static_cast<std::byte*>(context.scratch) + thread_bytes_ * static_cast<size_t>(team_thread());
    float* sum = reinterpret_cast<float*>(scratch + sum_at_);
    float* zeros = reinterpret_cast<float*>(scratch + zeros_at_);
    std::fill(zeros, zeros + std::max(block.inputs, block.outputs), 0.0f);
    float* bias = dbias ? dbias + block.group * problem_.group_outputs() + block.output : nullptr;
    if (bias) std::fill(bias, bias + block.outputs, 0.0f);
    const int64_t tiles = tiling_.tiles(), chunks = (tiles + chunk_ - 1) / chunk_;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const int64_t first = tiles * chunk / chunks, last = tiles * (chunk + 1) / chunks;
      transform(scratch, x, dy, block, first, last);
      const float* gradient = reinterpret_cast<const float*>(scratch + gradient_at_);
      multiply(gradient, reinterpret_cast<const float*>(scratch + input_at_), sum, block, last - first, chunk > 0);
      // The gradient's transform at point (1, 1) is the sum of its tile.
      const float* at_ones = gradient + (winograd_.inputs() + 1) * gradient_.position;
      if (bias) kernels_.add_rows(at_ones, last - first, gradient_.row, block.outputs, bias);
    }
    transform_back(sum, block, dweight);
  }

  void transform(std::byte* scratch, const float* x, const float* dy, const Block& block, int64_t first,
                 int64_t last) const {
    const float* zeros = reinterpret_cast<const float*>(scratch + zeros_at_);
    float* input = reinterpret_cast<float*>(scratch + input_at_);
    float* gradient = reinterpret_cast<float*>(scratch + gradient_at_);
    const float* pixels[max_positions];
    for (int64_t tile = first; tile < last; ++tile) {
      tiling_.input_pixels(tile, x, block.group * problem_.group_inputs() + block.input, zeros, pixels);
      winograd_.input(pixels, 1, block.inputs, input + (tile - first) * input_.row, input_.position);
      tiling_.output_pixels(tile, dy, block.group * problem_.group_outputs() + block.output, zeros, pixels);
      winograd_.output_gradient(pixels, 1, block.outputs, gradient + (tile - first) * gradient_.row,
                                gradient_.position);
    }
  }

  void multiply(const float* gradient, const float* input, float* sum, const Block& block, int64_t tiles,
                bool accumulate) const {
    for (int64_t position = 0; position < winograd_.positions(); ++position) {
      kernels_.multiply({.a = gradient + position * gradient_.position,
                         .a_row = 1,
                         .a_step = gradient_.row,
                         .b = input + position * input_.position,
                         .b_step = input_.row,
                         .b_panel = kernels_.panel,
                         .inner = tiles,
                         .c = sum + position * sum_.position,
                         .c_row = sum_.row,
                         .rows = block.outputs,
                         .columns = block.inputs,
                         .accumulate = accumulate});
    }
  }

  void transform_back(const float* sum, const Block& block, float* dweight) const {
    const int64_t taps = winograd_.taps * winograd_.taps, channels = problem_.group_inputs();
    float* pixels[max_positions];
    for (int64_t k = 0; k < block.outputs; ++k) {
      const int64_t filter = block.group * problem_.group_outputs() + block.output + k;
      for (int64_t tap = 0; tap < taps; ++tap) pixels[tap] = dweight + (filter * taps + tap) * channels + block.input;
      winograd_.weight_gradient(sum + k * sum_.row, sum_.position, block.inputs, pixels, {});
    }
  }

  const Problem problem_;
  const int threads_;
  const ConvKernels& kernels_;
  const WinogradKernels& winograd_;
  const Tiling tiling_;
  const std::pair<Ranges, Ranges> ranges_;  // of one group's inputs and outputs
  const int64_t chunk_;                     // tiles
  const Rows input_, gradient_, sum_;
  size_t input_at_ = 0, gradient_at_ = 0, sum_at_ = 0, zeros_at_ = 0, thread_bytes_ = 0;
};

}  // namespace

std::unique_ptr<ConvBackwardWeights> make_backward_weights(const ConvSpec& spec, const OpOptions& options,
                                                           const ConvKernels& kernels,
                                                           const WinogradKernels& winograd) {
  return std::make_unique<WinogradBackwardWeights>(spec, options, kernels, winograd);
}

}  // namespace convoy::winograd
