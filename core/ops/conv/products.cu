// Convolution by matrix products over the images' columns, (N P Q, groups R S C/groups), with the weights where they
// lie: (K, R S C/groups), K/groups rows for each group. All groups are one batch of products.
//
//   y = columns weights^T + bias    dcolumns = dy weights    dweights = dy^T columns
#include "core/ops/conv/products.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "core/base/error.hpp"
#include "core/ops/conv/columns.hpp"
#include "core/ops/gemm/column_sums.hpp"
#include "core/ops/gemm/gemm.hpp"
#include "core/ops/layout.hpp"

namespace convoy {
namespace {

constexpr int64_t most_elements = (int64_t{1} << 31) - 1;  // which kernels count in 32 bits

int64_t up(int64_t n, int64_t divisor) {
  return (n + divisor - 1) / divisor;
}

class ProductConv final : public Conv {
 public:
  ProductConv(Device& device, const ConvSpec& spec, const OpOptions& options, size_t columns_limit)
      : spec_(spec),
        batch_(options.batch),
        columns_(device, spec),
        bias_sums_(device, options.batch * spec.output()[0] * spec.output()[1], spec.filters) {
    per_turn_ = columns_.are_images() ? batch_ : images_per_turn(columns_limit);
    const GemmCompute compute = gemm_compute(options.compute);
    full_ = make_products(device, per_turn_, compute);
    if (const int64_t rest = batch_ % per_turn_; rest > 0) rest_ = make_products(device, rest, compute);
    for (int64_t first = 0; first < batch_; first += per_turn_) {
      const int64_t images = std::min(per_turn_, batch_ - first);
      turns_.push_back({images == per_turn_ ? full_ : rest_, first, images});
    }
    Layout layout;
    if (!columns_.are_images()) layout.add(static_cast<size_t>(per_turn_ * columns_.per_image()) * sizeof(float));
    workspace_at_ = layout.bytes();
    layout.add(std::max({full_.workspace_bytes(), rest_.workspace_bytes(), bias_sums_.workspace_bytes()}));
    scratch_bytes_ = layout.bytes();
  }

  size_t packed_bytes() const override { return 0; }
  void attach(void*) override {}
  size_t scratch_bytes() const override { return scratch_bytes_; }
  std::string algorithms() const override {
    return concat("forward ", full_.forward->name(),
                  full_.backward_data ? ", backward data " + full_.backward_data->name() : "", ", backward weights ",
                  full_.backward_weights->name(), columns_.are_images() ? "" : ", by columns");
  }

  /// The weights are read where they are; the arena keeps them in one place.
  void refresh_weights(const float* weight) override { weight_ = weight; }

  void forward(const OpContext& context, const float* x, const float* bias, float* y) override {
    for (const Turn& turn : turns_) {
      const float* columns = gathered(context, turn, x);
      turn.products.forward->run(workspace(context), columns, weight_, bias, y + turn.first * spec_.output().count(),
                                 Write::overwrite);
    }
  }

  void backward_data(const OpContext& context, const float* dy, float* dx, Write write) override {
    for (const Turn& turn : turns_) {
      const Gemm& product = *turn.products.backward_data;
      const float* from = dy + turn.first * spec_.output().count();
      if (columns_.are_images()) {
        product.run(workspace(context), from, weight_, nullptr, dx, write);
        continue;
      }
      auto* columns = static_cast<float*>(context.scratch);
      product.run(workspace(context), from, weight_, nullptr, columns, Write::overwrite);
      columns_.add_up(turn.images, columns, dx + turn.first * spec_.input.count(), write);
    }
  }

  void backward_weights(const OpContext& context, const float* x, const float* dy, float* dweight,
                        float* dbias) override {
    for (const Turn& turn : turns_) {
      const float* columns = gathered(context, turn, x);
      turn.products.backward_weights->run(workspace(context), dy + turn.first * spec_.output().count(), columns,
                                          nullptr, dweight, turn.first > 0 ? Write::accumulate : Write::overwrite);
    }
    if (dbias) bias_sums_.run(workspace(context), dy, dbias);
  }

 private:
  /// The products for so many images.
  struct Products {
    std::unique_ptr<Gemm> forward, backward_data, backward_weights;

    size_t workspace_bytes() const {
      size_t bytes = 0;
      for (const auto* gemm : {&forward, &backward_data, &backward_weights}) {
        if (*gemm) bytes = std::max(bytes, (*gemm)->workspace_bytes());
      }
      return bytes;
    }
  };
  struct Turn {
    const Products& products;
    int64_t first, images;
  };

  int64_t images_per_turn(size_t columns_limit) const {
    const int64_t elements = std::max(columns_.per_image(), spec_.input.count());
    if (elements > most_elements) {
      fail(ExitCode::usage, "convolution of ", spec_.input.text(), " by ", spec_.kernel.h, "x", spec_.kernel.w,
           ": an image this large cannot be trained on a GPU; use smaller images, or --backend cpu");
    }
    const int64_t fit = static_cast<int64_t>(columns_limit / sizeof(float)) / columns_.per_image();
    const int64_t most = std::clamp(std::min(fit, most_elements / elements), int64_t{1}, batch_);
    return up(batch_, up(batch_, most));  // as even as can be
  }

  Products make_products(Device& device, int64_t images, GemmCompute compute) const {
    const int64_t rows = images * spec_.output()[0] * spec_.output()[1];
    const int64_t row = columns_.row(), taps = row / spec_.groups, filters = spec_.filters / spec_.groups;
    const size_t alignment = per_turn_ < batch_ ? gemm_alignment_after(per_turn_ * spec_.output().count()) : 256;
    Products out;
    out.forward = make_gemm(device, {.m = rows,
                                     .n = filters,
                                     .k = taps,
                                     .transpose_b = true,
                                     .lda = row,
                                     .ldc = spec_.filters,
                                     .batch = spec_.groups,
                                     .stride_a = taps,
                                     .stride_b = filters * taps,
                                     .stride_c = filters,
                                     .stride_bias = filters,
                                     .bias = spec_.bias,
                                     .relu = spec_.activation == Activation::relu,
                                     .compute = compute,
                                     .alignment = alignment});
    if (spec_.input_gradient) {
      out.backward_data = make_gemm(device, {.m = rows,
                                             .n = taps,
                                             .k = filters,
                                             .lda = spec_.filters,
                                             .ldc = row,
                                             .batch = spec_.groups,
                                             .stride_a = filters,
                                             .stride_b = filters * taps,
                                             .stride_c = taps,
                                             .compute = compute,
                                             .alignment = alignment});
    }
    out.backward_weights = make_gemm(device, {.m = filters,
                                              .n = taps,
                                              .k = rows,
                                              .transpose_a = true,
                                              .lda = spec_.filters,
                                              .ldb = row,
                                              .batch = spec_.groups,
                                              .stride_a = filters,
                                              .stride_b = taps,
                                              .stride_c = filters * taps,
                                              .compute = compute,
                                              .alignment = alignment});
    return out;
  }

  /// The columns of a turn's images.
  const float* gathered(const OpContext& context, const Turn& turn, const float* x) const {
    if (columns_.are_images()) return x;
    auto* columns = static_cast<float*>(context.scratch);
    columns_.gather(turn.images, x + turn.first * spec_.input.count(), columns);
    return columns;
  }

  void* workspace(const OpContext& context) const { return static_cast<std::byte*>(context.scratch) + workspace_at_; }

  const ConvSpec spec_;
  const int64_t batch_;
  const ConvColumns columns_;
  const gemm::ColumnSums bias_sums_;
  int64_t per_turn_ = 1;
  Products full_, rest_;
  std::vector<Turn> turns_;
  size_t workspace_at_ = 0, scratch_bytes_ = 0;
  const float* weight_ = nullptr;
};

}  // namespace

std::unique_ptr<Conv> make_conv_products(Device& device, const ConvSpec& spec, const OpOptions& options,
                                         size_t columns_limit) {
  return std::make_unique<ProductConv>(device, spec, options, columns_limit);
}

}  // namespace convoy
