// The fully connected layer on a GPU: three matrix products with the weights (K,C) where they lie.
#include <algorithm>

#include "core/base/error.hpp"
#include "core/ops/fc.hpp"
#include "core/ops/gemm/column_sums.hpp"
#include "core/ops/gemm/gemm.hpp"

namespace convoy {
namespace {

class CudaFc final : public Fc {
 public:
  CudaFc(Device& device, const FcSpec& spec, const OpOptions& options)
      : bias_sums_(device, options.batch, spec.outputs) {
    const GemmCompute compute = gemm_compute(options.compute);
    forward_ = make_gemm(device, {.m = options.batch,
                                  .n = spec.outputs,
                                  .k = spec.inputs,
                                  .transpose_b = true,
                                  .bias = spec.bias,
                                  .relu = spec.activation == Activation::relu,
                                  .compute = compute});
    if (spec.input_gradient) {
      backward_data_ = make_gemm(device, {.m = options.batch, .n = spec.inputs, .k = spec.outputs, .compute = compute});
    }
    backward_weights_ = make_gemm(
        device, {.m = spec.outputs, .n = spec.inputs, .k = options.batch, .transpose_a = true, .compute = compute});
  }

  size_t packed_bytes() const override { return 0; }
  void attach(void*) override {}
  size_t scratch_bytes() const override {
    return std::max({forward_->workspace_bytes(), backward_data_ ? backward_data_->workspace_bytes() : 0,
                     backward_weights_->workspace_bytes(), bias_sums_.workspace_bytes()});
  }
  std::string algorithms() const override {
    return concat("forward ", forward_->name(), backward_data_ ? ", backward data " + backward_data_->name() : "",
                  ", backward weights ", backward_weights_->name());
  }

  /// The weights are read where they are; the arena keeps them in one place.
  void refresh_weights(const float* weight) override { weight_ = weight; }

  void forward(const OpContext& context, const float* x, const float* bias, float* y) override {
    forward_->run(context.scratch, x, weight_, bias, y, Write::overwrite);
  }
  void backward_data(const OpContext& context, const float* dy, float* dx, Write write) override {
    backward_data_->run(context.scratch, dy, weight_, nullptr, dx, write);
  }
  void backward_weights(const OpContext& context, const float* x, const float* dy, float* dweight,
                        float* dbias) override {
    backward_weights_->run(context.scratch, dy, x, nullptr, dweight, Write::overwrite);
    if (dbias) bias_sums_.run(context.scratch, dy, dbias);
  }

 private:
  std::unique_ptr<Gemm> forward_, backward_data_, backward_weights_;
  gemm::ColumnSums bias_sums_;
  const float* weight_ = nullptr;
};

}  // namespace

std::unique_ptr<Fc> make_fc_cuda(Device& device, const FcSpec& spec, const OpOptions& options) {
  return std::make_unique<CudaFc>(device, spec, options);
}

}  // namespace convoy
