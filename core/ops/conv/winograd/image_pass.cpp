// Forward and backward data: tiles of images are transformed, multiplied by transformed weights and transformed back,
// a block of tiles at a time.
//
// Packed weights: for each group and position, panels of (C, panel) as ConvKernels::multiply reads them.
#include <algorithm>

#include "core/base/parallel.hpp"
#include "core/ops/conv/winograd/tiling.hpp"
#include "core/ops/conv/winograd/winograd.hpp"

namespace convoy::winograd {
namespace {

/// Tiles whose transforms are kept at once by one thread. More of them read the weights less often (they come from the
/// third cache or from memory), fewer stay in the second cache.
int64_t block_of_tiles(int64_t positions, int64_t channels) {
  constexpr int64_t floats = int64_t{1} << 18;  // 1 MiB
  return std::clamp<int64_t>(floats / (positions * channels), 42, 168);
}

/// The common part: images in, images out.
class ImagePass {
 public:
  ImagePass(const Problem& problem, const OpOptions& options, const ConvKernels& kernels,
            const WinogradKernels& winograd)
      : problem_(problem),
        threads_(options.threads),
        kernels_(kernels),
        winograd_(winograd),
        tiling_(problem, winograd),
        inputs_(problem.group_inputs()),
        outputs_(problem.group_outputs()),
        block_(std::min(block_of_tiles(winograd.positions(), inputs_ + outputs_), tiling_.tiles())),
        spread_(inputs_, block_),
        product_(outputs_, block_) {
    const int64_t panels = (outputs_ + kernels.panel - 1) / kernels.panel;
    position_weights_ = panels * inputs_ * kernels.panel;
    Layout layout;
    spread_at_ = layout.add(spread_.bytes(winograd.positions()));
    product_at_ = layout.add(product_.bytes(winograd.positions()));
    zeros_at_ = layout.add(static_cast<size_t>(inputs_) * sizeof(float));
    thread_bytes_ = layout.bytes();
  }

  size_t packed_bytes() const {
    return static_cast<size_t>(problem_.groups * winograd_.positions() * position_weights_) * sizeof(float);
  }
  size_t scratch_bytes() const { return thread_bytes_ * static_cast<size_t>(threads_); }
  void attach(void* packed) { packed_ = static_cast<float*>(packed); }

  void run(const OpContext& context, const float* images, float* out, const Finish& finish) const {
    const TeamThreads team(threads_);
    parallel_for(tiling_.tiles(), 1, [&](int64_t begin, int64_t end) {
      std::byte* scratch =
          static_cast<std::byte*>(context.scratch) + thread_bytes_ * static_cast<size_t>(team_thread());
      float* zeros = reinterpret_cast<float*>(scratch + zeros_at_);
      std::fill(zeros, zeros + inputs_, 0.0f);
      const int64_t blocks = (end - begin + block_ - 1) / block_;
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t first = begin + (end - begin) * block / blocks;
        const int64_t last = begin + (end - begin) * (block + 1) / blocks;
        for (int64_t group = 0; group < problem_.groups; ++group)
          run_block(scratch, images, out, finish, group, first, last);
      }
    });
  }

 protected:
  /// Where position 0 of the packed weights has channel `input` and the outputs from `output` on, a multiple of the
  /// panel's width.
  float* panel(int64_t group, int64_t input, int64_t output) const {
    return packed_ + group * winograd_.positions() * position_weights_ + output * inputs_ + input * kernels_.panel;
  }
  int64_t packed_position() const { return position_weights_; }

  const Problem problem_;
  const int threads_;
  const ConvKernels& kernels_;
  const WinogradKernels& winograd_;

 private:
  void run_block(std::byte* scratch, const float* images, float* out, const Finish& finish, int64_t group,
                 int64_t first, int64_t last) const {
    float* spread = reinterpret_cast<float*>(scratch + spread_at_);
    float* product = reinterpret_cast<float*>(scratch + product_at_);
    const float* pixels[max_positions];
    for (int64_t tile = first; tile < last; ++tile) {
      tiling_.input_pixels(tile, images, group * inputs_, reinterpret_cast<const float*>(scratch + zeros_at_), pixels);
      winograd_.input(pixels, 1, inputs_, spread + (tile - first) * spread_.row, spread_.position);
    }
    for (int64_t position = 0; position < winograd_.positions(); ++position) {
      multiply(group, position, spread, product, last - first);
    }
    Finish here = finish;
    if (here.bias) here.bias += group * outputs_;
    float* written[max_positions];
    for (int64_t tile = first; tile < last; ++tile) {
      tiling_.output_pixels<float>(tile, out, group * outputs_, nullptr, written);
      winograd_.output(product + (tile - first) * product_.row, product_.position, outputs_, written, here);
    }
  }

  void multiply(int64_t group, int64_t position, const float* spread, float* product, int64_t tiles) const {
    kernels_.multiply({.a = spread + position * spread_.position,
                       .a_row = spread_.row,
                       .a_step = 1,
                       .b = panel(group, 0, 0) + position * position_weights_,
                       .b_step = kernels_.panel,
                       .b_panel = inputs_ * kernels_.panel,
                       .inner = inputs_,
                       .c = product + position * product_.position,
                       .c_row = product_.row,
                       .rows = tiles,
                       .columns = (outputs_ + kernels_.lanes - 1) / kernels_.lanes * kernels_.lanes});
  }

  const Tiling tiling_;
  const int64_t inputs_, outputs_;  // channels of one group
  const int64_t block_;             // tiles
  const Rows spread_, product_;
  int64_t position_weights_ = 0;  // floats
  size_t spread_at_ = 0, product_at_ = 0, zeros_at_ = 0, thread_bytes_ = 0;
  float* packed_ = nullptr;
};

class WinogradForward final : public ConvForward, private ImagePass {
 public:
  WinogradForward(const ConvSpec& spec, const OpOptions& options, const ConvKernels& kernels,
                  const WinogradKernels& winograd)
      : ConvForward(name_of(winograd)),
        ImagePass(forward_problem(spec, options.batch), options, kernels, winograd),
        relu_(spec.activation == Activation::relu) {}

  size_t scratch_bytes() const override { return ImagePass::scratch_bytes(); }
  size_t packed_bytes() const override { return ImagePass::packed_bytes(); }
  void attach(void* packed) override { ImagePass::attach(packed); }

  /// From w (K,R,S,C/groups): filters are read side by side, `step` apart.
  void refresh_weights(const float* weight) override {
    const TeamThreads team(threads_);
    const int64_t taps = winograd_.taps, inputs = problem_.group_inputs(), outputs = problem_.group_outputs();
    const int64_t step = taps * taps * inputs;
    const int64_t panels = (outputs + kernels_.panel - 1) / kernels_.panel;
    parallel_for(problem_.groups * panels, 1, [&](int64_t begin, int64_t end) {
      const float* pixels[max_positions];
      for (int64_t i = begin; i < end; ++i) {
        const int64_t group = i / panels, first = i % panels * kernels_.panel;
        const int64_t count = std::min<int64_t>(kernels_.panel, outputs - first);
        for (int64_t input = 0; input < inputs; ++input) {
          for (int64_t tap = 0; tap < taps * taps; ++tap) {
            pixels[tap] = weight + (group * outputs + first) * step + tap * inputs + input;
          }
          winograd_.weight(pixels, step, count, panel(group, input, first), packed_position());
        }
      }
    });
  }

  void run(const OpContext& context, const float* x, const float* bias, float* y) override {
    ImagePass::run(context, x, y, {.bias = bias, .relu = relu_});
  }

 private:
  const bool relu_;
};

class WinogradBackwardData final : public ConvBackwardData, private ImagePass {
 public:
  WinogradBackwardData(const ConvSpec& spec, const OpOptions& options, const ConvKernels& kernels,
                       const WinogradKernels& winograd)
      : ConvBackwardData(name_of(winograd)),
        ImagePass(backward_data_problem(spec, options.batch), options, kernels, winograd) {}

  size_t scratch_bytes() const override { return ImagePass::scratch_bytes(); }
  size_t packed_bytes() const override { return ImagePass::packed_bytes(); }
  void attach(void* packed) override { ImagePass::attach(packed); }

  /// From w (K,R,S,C/groups), mirrored: what this pass puts out are the C channels, side by side in w.
  void refresh_weights(const float* weight) override {
    const TeamThreads team(threads_);
    const int64_t taps = winograd_.taps, inputs = problem_.group_inputs(), outputs = problem_.group_outputs();
    parallel_for(problem_.groups * inputs, 1, [&](int64_t begin, int64_t end) {
      const float* pixels[max_positions];
      for (int64_t filter = begin; filter < end; ++filter) {
        for (int64_t first = 0; first < outputs; first += kernels_.panel) {
          for (int64_t tap = 0; tap < taps * taps; ++tap) {
            pixels[tap] = weight + (filter * taps * taps + taps * taps - 1 - tap) * outputs + first;
          }
          winograd_.weight(pixels, 1, std::min<int64_t>(kernels_.panel, outputs - first),
                           panel(filter / inputs, filter % inputs, first), packed_position());
        }
      }
    });
  }

  void run(const OpContext& context, const float* dy, float* dx, Write write) override {
    ImagePass::run(context, dy, dx, {.accumulate = write == Write::accumulate});
  }
};

}  // namespace

std::string name_of(const WinogradKernels& winograd) {
  return "winograd " + std::to_string(winograd.outputs) + "x" + std::to_string(winograd.outputs);
}

std::unique_ptr<ConvForward> make_forward(const ConvSpec& spec, const OpOptions& options, const ConvKernels& kernels,
                                          const WinogradKernels& winograd) {
  return std::make_unique<WinogradForward>(spec, options, kernels, winograd);
}

std::unique_ptr<ConvBackwardData> make_backward_data(const ConvSpec& spec, const OpOptions& options,
                                                     const ConvKernels& kernels, const WinogradKernels& winograd) {
  return std::make_unique<WinogradBackwardData>(spec, options, kernels, winograd);
}

std::vector<const WinogradKernels*> applicable(const ConvSpec& spec, const ConvKernels& kernels) {
  std::vector<const WinogradKernels*> out;
  if (spec.stride != Extent2{} || spec.dilation != Extent2{}) return out;
  for (const WinogradKernels& w : kernels.winograd) {
    if (spec.kernel == Extent2{w.taps, w.taps}) out.push_back(&w);
  }
  const auto products = [&](const WinogradKernels* w) {
    const Shape image = spec.output();
    return (image[0] + w->outputs - 1) / w->outputs * ((image[1] + w->outputs - 1) / w->outputs) * w->positions();
  };
  std::stable_sort(out.begin(), out.end(), [&](auto* a, auto* b) { return products(a) < products(b); });
  return out;
}

}  // namespace convoy::winograd
