// The fully connected layer on the CPU: three matrix products with the weights (K,C) as they lie in the arena.
//
// No packed copy of them, which would double their memory and have to be made anew after each update: our own products
// read them where they are, in order, and in bf16 round them on the way. Small layers in fp32 go backward by oneDNN's.
#include <algorithm>

#include "core/base/error.hpp"
#include "core/base/isa.hpp"
#include "core/base/parallel.hpp"
#include "core/ops/elementwise_cpu.hpp"
#include "core/ops/fc.hpp"
#include "core/ops/fc/onednn_fc.hpp"
#include "core/ops/fc/product.hpp"

namespace convoy {
namespace {

CONVOY_ISA_CLONES void sum_rows(int64_t rows, int64_t stride, int64_t count, const float* from, float* sums) {
  for (int64_t i = 0; i < count; ++i) sums[i] = from[i];
  for (int64_t row = 1; row < rows; ++row) {
    for (int64_t i = 0; i < count; ++i) sums[i] += from[row * stride + i];
  }
}

/// On our own products.
class OwnFc final : public Fc {
 public:
  OwnFc(const FcSpec& spec, const OpOptions& options, const fc::Kernels& kernels)
      : spec_(spec), options_(options), kernels_(kernels) {}

  size_t packed_bytes() const override { return 0; }
  void attach(void*) override {}
  size_t scratch_bytes() const override {
    const size_t forward = fc::by_lines_scratch(kernels_, forward_, options_.threads);
    const size_t data = fc::by_columns_scratch(kernels_, backward_data_, options_.threads);
    return std::max({forward, spec_.input_gradient ? data : 0, fc::large_result_scratch(kernels_, backward_weights_)});
  }
  std::string algorithms() const override { return kernels_.name; }

  /// The weights are read where they are; the arena keeps them in one place.
  void refresh_weights(const float* weight) override { weight_ = weight; }

  void forward(const OpContext& context, const float* x, const float* bias, float* y) override {
    const TeamThreads threads(options_.threads);
    fc::multiply_by_lines(kernels_, forward_, {x, spec_.inputs, true}, {weight_, spec_.inputs, true},
                          {.data = y, .bias = spec_.bias ? bias : nullptr}, context.scratch);
    if (spec_.activation == Activation::relu) cpu::relu(options_.batch * spec_.outputs, y, y);
  }

  void backward_data(const OpContext& context, const float* dy, float* dx, Write write) override {
    const TeamThreads threads(options_.threads);
    fc::multiply_by_columns(kernels_, backward_data_, {dy, spec_.outputs, true}, {weight_, spec_.inputs, false},
                            {.data = dx, .add = write == Write::accumulate}, context.scratch);
  }

  void backward_weights(const OpContext& context, const float* x, const float* dy, float* dweight,
                        float* dbias) override {
    const TeamThreads threads(options_.threads);
    fc::multiply_large_result(kernels_, backward_weights_, {dy, spec_.outputs, false}, {x, spec_.inputs, false},
                              {.data = dweight}, context.scratch);
    if (!spec_.bias || !dbias) return;
    parallel_for(spec_.outputs, cpu::elementwise_grain / options_.batch, [&](int64_t begin, int64_t end) {
      sum_rows(options_.batch, spec_.outputs, end - begin, dy + begin, dbias + begin);
    });
  }

 private:
  const FcSpec spec_;
  const OpOptions options_;
  const fc::Kernels& kernels_;
  const fc::Extents forward_{options_.batch, spec_.outputs, spec_.inputs};           // y = x W^T
  const fc::Extents backward_data_{options_.batch, spec_.inputs, spec_.outputs};     // dx = dy W
  const fc::Extents backward_weights_{spec_.outputs, spec_.inputs, options_.batch};  // dW = dy^T x
  const float* weight_ = nullptr;
};

/// Of small layers: forward by our own products, whose sums do not depend on how many images are taken at once, so that
/// a network answers the same in batches of any size (oneDNN's do on AVX2); backward by oneDNN's, which are the faster
/// ones there.
class SmallFc final : public Fc {
 public:
  SmallFc(const FcSpec& spec, const OpOptions& options, const fc::Kernels& kernels)
      : own_(spec, options, kernels), library_(fc::make_onednn_fc(spec, options)) {}

  size_t packed_bytes() const override { return 0; }
  void attach(void*) override {}
  size_t scratch_bytes() const override { return std::max(own_.scratch_bytes(), library_->scratch_bytes()); }
  std::string algorithms() const override {
    return concat("forward ", own_.algorithms(), "; oneDNN: ", library_->algorithms());
  }
  void refresh_weights(const float* weight) override {
    own_.refresh_weights(weight);
    library_->refresh_weights(weight);
  }
  void forward(const OpContext& context, const float* x, const float* bias, float* y) override {
    own_.forward(context, x, bias, y);
  }
  void backward_data(const OpContext& context, const float* dy, float* dx, Write write) override {
    library_->backward_data(context, dy, dx, write);
  }
  void backward_weights(const OpContext& context, const float* x, const float* dy, float* dweight,
                        float* dbias) override {
    library_->backward_weights(context, x, dy, dweight, dbias);
  }

 private:
  OwnFc own_;
  std::unique_ptr<Fc> library_;
};

/// For AlexNet's layers our own passes were the faster ones in every case tried: before weights were read in place,
/// 0.35 to 0.84 of oneDNN's time forward and 0.76 to 1.0 backward; since then forward takes half of that at 32 samples
/// a thread. For LeNet's 800 -> 500 (AVX2, 64 images) forward takes 0.7 to 1.0 of oneDNN's time, backward 1.15 to 1.2.
/// The border between is a guess.
constexpr int64_t own_from = 1 << 20;  // weights

}  // namespace

std::unique_ptr<Fc> make_fc_cpu(Device&, const FcSpec& spec, const OpOptions& options) {
  const fc::Kernels* kernels = fc::best_kernels(options.compute);
  if (options.compute != DType::f32) {
    if (kernels) return std::make_unique<OwnFc>(spec, options, *kernels);
    fail(ExitCode::usage, "fully connected layer: this processor cannot multiply ", name_of(options.compute),
         " numbers (that needs AVX512-BF16); use precision=fp32");
  }
  if (!kernels) return fc::make_onednn_fc(spec, options);
  if (spec.inputs * spec.outputs < own_from) return std::make_unique<SmallFc>(spec, options, *kernels);
  return std::make_unique<OwnFc>(spec, options, *kernels);
}

}  // namespace convoy
