// See conv_rows.hpp.
//
// Padding is made real: a thread copies one image at a time into a padded one of its own. Packed weights are panels of
// (R S C, panel) as ConvKernels::multiply reads them.
#include "core/ops/conv/rows.hpp"

#include <algorithm>
#include <cstring>

#include "core/base/parallel.hpp"
#include "core/ops/conv/kernels.hpp"

namespace convoy::rows {
namespace {

/// A convolution as these loops see it; backward data is one, with the images exchanged and the weights mirrored.
struct Problem {
  Shape input, output;  // (H, W, C), (P, Q, K)
  Padding padding;
  Extent2 kernel, stride;
  int64_t row_dilation = 1;
  int64_t batch = 1;

  int64_t window_row() const { return kernel.w * input[2]; }  // floats, side by side
  int64_t window() const { return kernel.h * window_row(); }
};

Problem forward_problem(const ConvSpec& spec, int64_t batch) {
  return {spec.input, spec.output(), spec.padding, spec.kernel, spec.stride, spec.dilation.h, batch};
}

Problem backward_data_problem(const ConvSpec& spec, int64_t batch) {
  const Padding& p = spec.padding;
  const int64_t h = spec.kernel.h - 1, w = spec.kernel.w - 1;
  return {.input = spec.output(),
          .output = spec.input,
          .padding = {h - p.top, w - p.left, h - p.bottom, w - p.right},
          .kernel = spec.kernel,
          .stride = {},
          .batch = batch};
}

/// Images with their padding.
class PaddedImages {
 public:
  explicit PaddedImages(const Problem& problem)
      : image_(problem.input), padding_(problem.padding), padded_(!(problem.padding == Padding{})) {
    row_ = (image_[1] + padding_.left + padding_.right) * image_[2];
  }

  size_t bytes() const {
    return padded_ ? static_cast<size_t>((image_[0] + padding_.top + padding_.bottom) * row_) * sizeof(float) : 0;
  }
  /// Floats from one row to the next.
  int64_t row() const { return row_; }

  /// Makes the borders zero, once for many images.
  void clear(float* place) const {
    if (padded_) std::memset(place, 0, bytes());
  }
  /// Image n, padded in `place` where there is padding.
  const float* get(const float* images, int64_t n, float* place) const {
    const float* image = images + n * image_.count();
    if (!padded_) return image;
    float* to = place + padding_.top * row_ + padding_.left * image_[2];
    const int64_t length = image_[1] * image_[2];
    for (int64_t h = 0; h < image_[0]; ++h, to += row_, image += length) std::copy(image, image + length, to);
    return place;
  }

 private:
  const Shape image_;
  const Padding padding_;
  const bool padded_;
  int64_t row_ = 0;
};

/// Forward and backward data: images in, images out.
class ImagePass {
 public:
  ImagePass(const Problem& problem, const OpOptions& options, const ConvKernels& kernels)
      : problem_(problem), threads_(options.threads), kernels_(kernels), padded_(problem) {
    panels_ = (problem.output[2] + kernels.panel - 1) / kernels.panel;
    Layout layout;
    layout.add(padded_.bytes());
    thread_bytes_ = layout.bytes();
  }

  size_t packed_bytes() const {
    return static_cast<size_t>(panels_ * problem_.window() * kernels_.panel) * sizeof(float);
  }
  size_t scratch_bytes() const { return thread_bytes_ * static_cast<size_t>(threads_); }
  void attach(void* packed) { packed_ = static_cast<float*>(packed); }

  /// `weight(i, k)`: element i of filter k's window. Columns beyond the last filter are never used.
  template <typename Weight>
  void pack(const Weight& weight) const {
    for (int64_t k = 0; k < problem_.output[2]; ++k) {
      float* to = packed_ + k / kernels_.panel * problem_.window() * kernels_.panel + k % kernels_.panel;
      for (int64_t i = 0; i < problem_.window(); ++i) to[i * kernels_.panel] = weight(i, k);
    }
  }

  void run(const OpContext& context, const float* images, const float* bias, float* out, bool accumulate,
           bool relu) const {
    const TeamThreads team(threads_);
    parallel_for(problem_.batch, 1, [&](int64_t begin, int64_t end) {
      auto* place = reinterpret_cast<float*>(static_cast<std::byte*>(context.scratch) +
                                             thread_bytes_ * static_cast<size_t>(team_thread()));
      padded_.clear(place);
      for (int64_t n = begin; n < end; ++n) {
        const float* image = padded_.get(images, n, place);
        for (int64_t p = 0; p < problem_.output[0]; ++p) {
          float* row = out + (n * problem_.output[0] + p) * problem_.output[1] * problem_.output[2];
          multiply(image + p * problem_.stride.h * padded_.row(), bias, row, accumulate, relu);
        }
      }
    });
  }

 protected:
  const Problem problem_;

 private:
  void multiply(const float* image, const float* bias, float* row, bool accumulate, bool relu) const {
    kernels_.multiply({.a = image,
                       .a_row = problem_.stride.w * problem_.input[2],
                       .a_step = 1,
                       .a_outer = problem_.row_dilation * padded_.row(),
                       .b = packed_,
                       .b_step = kernels_.panel,
                       .b_outer = problem_.window_row() * kernels_.panel,
                       .b_panel = problem_.window() * kernels_.panel,
                       .inner = problem_.window_row(),
                       .outer = problem_.kernel.h,
                       .c = row,
                       .c_row = problem_.output[2],
                       .rows = problem_.output[1],
                       .columns = problem_.output[2],
                       .bias = bias,
                       .accumulate = accumulate,
                       .relu = relu});
  }

  const int threads_;
  const ConvKernels& kernels_;
  const PaddedImages padded_;
  int64_t panels_ = 0;
  size_t thread_bytes_ = 0;
  float* packed_ = nullptr;
};

class RowsForward final : public ConvForward, private ImagePass {
 public:
  RowsForward(const ConvSpec& spec, const OpOptions& options, const ConvKernels& kernels)
      : ConvForward("rows"),
        ImagePass(forward_problem(spec, options.batch), options, kernels),
        relu_(spec.activation == Activation::relu) {}

  size_t scratch_bytes() const override { return ImagePass::scratch_bytes(); }
  size_t packed_bytes() const override { return ImagePass::packed_bytes(); }
  void attach(void* packed) override { ImagePass::attach(packed); }
  void refresh_weights(const float* weight) override {
    pack([&](int64_t i, int64_t k) { return weight[k * problem_.window() + i]; });
  }
  void run(const OpContext& context, const float* x, const float* bias, float* y) override {
    ImagePass::run(context, x, bias, y, false, relu_);
  }

 private:
  const bool relu_;
};

class RowsBackwardData final : public ConvBackwardData, private ImagePass {
 public:
  RowsBackwardData(const ConvSpec& spec, const OpOptions& options, const ConvKernels& kernels)
      : ConvBackwardData("rows"), ImagePass(backward_data_problem(spec, options.batch), options, kernels) {}

  size_t scratch_bytes() const override { return ImagePass::scratch_bytes(); }
  size_t packed_bytes() const override { return ImagePass::packed_bytes(); }
  void attach(void* packed) override { ImagePass::attach(packed); }

  /// Of w (K,R,S,C): here the K filters are what a window runs over, and the C channels what comes out.
  void refresh_weights(const float* weight) override {
    const int64_t filters = problem_.input[2], channels = problem_.output[2];
    const int64_t taps = problem_.kernel.h * problem_.kernel.w;
    pack([&](int64_t i, int64_t c) {
      const int64_t tap = i / filters, filter = i % filters;
      return weight[(filter * taps + taps - 1 - tap) * channels + c];
    });
  }
  void run(const OpContext& context, const float* dy, float* dx, Write write) override {
    ImagePass::run(context, dy, nullptr, dx, write == Write::accumulate, false);
  }
};

/// Each thread sums the gradients of its images as (R, S C, K) and the bias's; the threads' sums are added in order.
class RowsBackwardWeights final : public ConvBackwardWeights {
 public:
  RowsBackwardWeights(const ConvSpec& spec, const OpOptions& options, const ConvKernels& kernels)
      : ConvBackwardWeights("rows"),
        problem_(forward_problem(spec, options.batch)),
        threads_(options.threads),
        kernels_(kernels),
        padded_(problem_),
        sums_((problem_.window() + 1) * filters()) {
    Layout layout;
    sums_at_ = layout.add(static_cast<size_t>(sums_) * sizeof(float));
    padded_at_ = layout.add(padded_.bytes());
    thread_bytes_ = layout.bytes();
  }

  size_t scratch_bytes() const override { return thread_bytes_ * static_cast<size_t>(threads_); }

  void run(const OpContext& context, const float* x, const float* dy, float* dweight, float* dbias) override {
    const TeamThreads team(threads_);
    for (int thread = 0; thread < threads_; ++thread) {
      std::memset(sums(context, thread), 0, static_cast<size_t>(sums_) * sizeof(float));
    }
    parallel_for(problem_.batch, 1, [&](int64_t begin, int64_t end) {
      float* mine = sums(context, team_thread());
      float* place = at(context, team_thread(), padded_at_);
      padded_.clear(place);
      for (int64_t n = begin; n < end; ++n) {
        const float* gradient = dy + n * problem_.output.count();
        add_image(padded_.get(x, n, place), gradient, mine);
        if (dbias) {
          kernels_.add_rows(gradient, problem_.output[0] * problem_.output[1], filters(), filters(),
                            mine + problem_.window() * filters());
        }
      }
    });
    for (int thread = 1; thread < threads_; ++thread) {
      const float* other = sums(context, thread);
      float* first = sums(context, 0);
      for (int64_t i = 0; i < sums_; ++i) first[i] += other[i];
    }
    write_out(sums(context, 0), dweight, dbias);
  }

 private:
  int64_t filters() const { return problem_.output[2]; }
  float* at(const OpContext& context, int thread, size_t offset) const {
    return reinterpret_cast<float*>(static_cast<std::byte*>(context.scratch) +
                                    thread_bytes_ * static_cast<size_t>(thread) + offset);
  }
  float* sums(const OpContext& context, int thread) const { return at(context, thread, sums_at_); }

  /// Some rows of the gradient at a time, which then stay in the second cache while each row of the window reads them.
  void add_image(const float* image, const float* gradient, float* sum) const {
    constexpr int64_t floats = 32 << 10;  // 128 KiB
    const int64_t length = problem_.output[1] * filters(), height = problem_.output[0];
    const int64_t chunks = std::clamp<int64_t>(height * length / floats, 1, height);
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const int64_t first = height * chunk / chunks, last = height * (chunk + 1) / chunks;
      for (int64_t r = 0; r < problem_.kernel.h; ++r) {
        kernels_.multiply({.a = image + (first * problem_.stride.h + r * problem_.row_dilation) * padded_.row(),
                           .a_row = 1,
                           .a_step = problem_.stride.w * problem_.input[2],
                           .a_outer = problem_.stride.h * padded_.row(),
                           .b = gradient + first * length,
                           .b_step = filters(),
                           .b_outer = length,
                           .b_panel = kernels_.panel,
                           .inner = problem_.output[1],
                           .outer = last - first,
                           .c = sum + r * problem_.window_row() * filters(),
                           .c_row = filters(),
                           .rows = problem_.window_row(),
                           .columns = filters(),
                           .accumulate = true});
      }
    }
  }

  void write_out(const float* sum, float* dweight, float* dbias) const {
    const int64_t window = problem_.window();
    for (int64_t k = 0; k < filters(); ++k) {
      for (int64_t i = 0; i < window; ++i) dweight[k * window + i] = sum[i * filters() + k];
    }
    if (dbias) std::copy(sum + window * filters(), sum + sums_, dbias);
  }

  const Problem problem_;
  const int threads_;
  const ConvKernels& kernels_;
  const PaddedImages padded_;
  const int64_t sums_;  // floats
  size_t sums_at_ = 0, padded_at_ = 0, thread_bytes_ = 0;
};

}  // namespace

bool applies(const ConvSpec& spec) {
  return spec.groups == 1 && spec.dilation.w == 1;
}

bool applies_backward_data(const ConvSpec& spec) {
  const Padding& p = spec.padding;
  return applies(spec) && spec.stride == Extent2{} && spec.dilation == Extent2{} &&
         std::max(p.top, p.bottom) < spec.kernel.h && std::max(p.left, p.right) < spec.kernel.w;
}

std::unique_ptr<ConvForward> make_forward(const ConvSpec& spec, const OpOptions& options, const ConvKernels& kernels) {
  return std::make_unique<RowsForward>(spec, options, kernels);
}

std::unique_ptr<ConvBackwardData> make_backward_data(const ConvSpec& spec, const OpOptions& options,
                                                     const ConvKernels& kernels) {
  return std::make_unique<RowsBackwardData>(spec, options, kernels);
}

std::unique_ptr<ConvBackwardWeights> make_backward_weights(const ConvSpec& spec, const OpOptions& options,
                                                           const ConvKernels& kernels) {
  return std::make_unique<RowsBackwardWeights>(spec, options, kernels);
}

}  // namespace convoy::rows
