// Convolution on the CPU: three passes, each by the algorithm that fixed rules or a Tuning choose.
#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "core/base/error.hpp"
#include "core/base/isa.hpp"
#include "core/ops/conv/kernels.hpp"
#include "core/ops/conv/onednn_conv.hpp"
#include "core/ops/conv/pass.hpp"
#include "core/ops/conv/rows.hpp"
#include "core/ops/conv/winograd/winograd.hpp"
#include "core/ops/tuning.hpp"

namespace convoy {
namespace {

template <typename Pass>
struct Algorithm {
  std::string name;       // in a Tuning
  bool promising = true;  // false: not measured, used only if a Tuning was told to
  std::function<std::unique_ptr<Pass>(const OpOptions& options)> make;
};

/// As many images tell which algorithm is fastest; more would only take time and memory.
constexpr int64_t trial_batch = 32;

/// Memory to try a pass on, filled with small numbers.
class Trial {
 public:
  Trial(Device& device, const ConvSpec& spec, const OpOptions& options)
      : device_(device),
        x_(filled(options.batch * spec.input.count())),
        y_(filled(options.batch * spec.output().count())),
        weight_(filled(spec.weight().count())),
        bias_(filled(spec.filters)),
        biased_(spec.bias) {}

  /// What a step costs by the pass, which must live as long as what this gives: new weights and one call.
  template <typename Pass>
  std::function<void()> work(Pass& pass) {
    packed_.emplace_back(device_, pass.packed_bytes() + 1, "measuring a convolution: weights");
    pass.attach(packed_.back().data());
    if (scratch_.bytes() < pass.scratch_bytes()) {
      scratch_ = DeviceBuffer();
      scratch_ = DeviceBuffer(device_, pass.scratch_bytes(), "measuring a convolution: scratch");
    }
    return [this, &pass] {
      pass.refresh_weights(floats(weight_));
      run(pass, {.team = 0, .scratch = scratch_.data()});
    };
  }

 private:
  float* bias() const { return biased_ ? floats(bias_) : nullptr; }
  void run(ConvForward& pass, const OpContext& context) { pass.run(context, floats(x_), bias(), floats(y_)); }
  void run(ConvBackwardData& pass, const OpContext& context) {
    pass.run(context, floats(y_), floats(x_), Write::overwrite);
  }
  void run(ConvBackwardWeights& pass, const OpContext& context) {
    pass.run(context, floats(x_), floats(y_), floats(weight_), bias());
  }

  static float* floats(const DeviceBuffer& buffer) { return reinterpret_cast<float*>(buffer.data()); }
  DeviceBuffer filled(int64_t count) {
    DeviceBuffer out(device_, static_cast<size_t>(count) * sizeof(float), "measuring a convolution");
    for (int64_t i = 0; i < count; ++i) floats(out)[i] = static_cast<float>(i % 17 - 8) / 64;
    return out;
  }

  Device& device_;
  DeviceBuffer x_, y_, weight_, bias_;
  const bool biased_;
  std::vector<DeviceBuffer> packed_;
  DeviceBuffer scratch_;
};

}  // namespace

std::string conv_tuning_key(const ConvSpec& spec, const OpOptions& options, std::string_view pass) {
  const Padding& p = spec.padding;
  const auto text = [](const Extent2& extent) { return concat(extent.h, "x", extent.w); };
  // Not the batch itself: what 1, 2 or 4 workers make of one global batch is then computed by the same algorithms, and
  // differs by the order of its sums only. Very small batches are another matter.
  return concat("conv ", spec.input.text(), " K=", spec.filters, " F=", text(spec.kernel), " S=", text(spec.stride),
                " P=", p.top, ",", p.left, ",", p.bottom, ",", p.right, " D=", text(spec.dilation), " G=", spec.groups,
                options.batch < 8 ? " few images" : "", " threads=", options.threads, " ", name_of(options.compute),
                " ", pass);
}

namespace {

/// The first algorithm, unless the options' Tuning has another or finds one to be faster.
template <typename Pass>
std::unique_ptr<Pass> choose(Device& device, const ConvSpec& spec, const OpOptions& options, std::string_view pass,
                             const std::vector<Algorithm<Pass>>& algorithms) {
  if (!options.tuning) return algorithms[0].make(options);
  const std::string key = conv_tuning_key(spec, options, pass);
  const std::string kept = options.tuning->kept(key);
  for (const auto& algorithm : algorithms) {
    if (algorithm.name == kept) return algorithm.make(options);
  }
  if (!options.tuning->measures()) return algorithms[0].make(options);
  OpOptions tried = options;
  tried.batch = std::min(options.batch, trial_batch);
  std::vector<const Algorithm<Pass>*> promising;
  std::vector<std::unique_ptr<Pass>> made;
  std::vector<Tuning::Candidate> candidates;
  for (const auto& algorithm : algorithms) {
    if (!algorithm.promising) continue;
    promising.push_back(&algorithm);
    made.push_back(algorithm.make(tried));
    candidates.push_back({algorithm.name, {}});
  }
  std::optional<Trial> trial;
  if (made.size() > 1) trial.emplace(device, spec, tried);
  for (size_t i = 0; trial && i < made.size(); ++i) candidates[i].work = trial->work(*made[i]);
  return promising[options.tuning->choose(key, candidates)]->make(options);
}

/// What there is for this spec, in the order of preference. Promising are Winograd's tiles of the size that needs the
/// fewest products, if the channels are as many as pay for the transforms; else the image's rows.
class Algorithms {
 public:
  explicit Algorithms(const ConvSpec& spec)
      : spec_(spec),
        kernels_(conv_kernels()),
        rows_(kernels_ && rows::applies(spec)),
        rows_backward_(kernels_ && rows::applies_backward_data(spec)) {
    const int64_t inputs = spec.input[2] / spec.groups, outputs = spec.filters / spec.groups;
    if (kernels_) winograd_ = winograd::applicable(spec, *kernels_);
    winograd_pays_ = !winograd_.empty() && std::min(inputs, outputs) >= 8;
    rows_pay_ = !winograd_pays_;
  }

  std::vector<Algorithm<ConvForward>> forward() const {
    return list<ConvForward>(onednn::make_forward, winograd::make_forward, rows_, rows::make_forward);
  }
  std::vector<Algorithm<ConvBackwardData>> backward_data() const {
    return list<ConvBackwardData>(onednn::make_backward_data, winograd::make_backward_data, rows_backward_,
                                  rows::make_backward_data);
  }
  std::vector<Algorithm<ConvBackwardWeights>> backward_weights() const {
    return list<ConvBackwardWeights>(onednn::make_backward_weights, winograd::make_backward_weights, rows_,
                                     rows::make_backward_weights);
  }

 private:
  template <typename Pass, typename Onednn, typename Winograd, typename Rows>
  std::vector<Algorithm<Pass>> list(Onednn make_onednn, Winograd make_winograd, bool rows, Rows make_rows) const {
    std::vector<Algorithm<Pass>> out;
    out.push_back({"direct", true, [=, this](const OpOptions& options) { return make_onednn(spec_, options); }});
    // Under bf16, too: these multiply in fp32, which is more exact, and are often faster still.
    for (const WinogradKernels* tile : winograd_) {
      out.push_back({winograd::name_of(*tile), winograd_pays_ && tile == winograd_[0],
                     [=, this](const OpOptions& options) { return make_winograd(spec_, options, *kernels_, *tile); }});
    }
    if (rows)
      out.push_back(
          {"rows", rows_pay_, [=, this](const OpOptions& options) { return make_rows(spec_, options, *kernels_); }});
    return out;
  }

  const ConvSpec& spec_;
  const ConvKernels* kernels_;
  std::vector<const WinogradKernels*> winograd_;  // the best tile size first
  bool rows_, rows_backward_, winograd_pays_ = false, rows_pay_ = false;
};

class CpuConv final : public Conv {
 public:
  CpuConv(Device& device, const ConvSpec& spec, const OpOptions& options) {
    const Algorithms algorithms(spec);
    forward_ = choose(device, spec, options, "forward", algorithms.forward());
    if (spec.input_gradient) {
      backward_data_ = choose(device, spec, options, "backward data", algorithms.backward_data());
    }
    backward_weights_ = choose(device, spec, options, "backward weights", algorithms.backward_weights());
    Layout packed;
    packed.add(forward_->packed_bytes());
    backward_packed_at_ = packed.bytes();
    if (backward_data_) packed.add(backward_data_->packed_bytes());
    packed_bytes_ = packed.bytes();
  }

  size_t packed_bytes() const override { return packed_bytes_; }
  size_t scratch_bytes() const override {
    return std::max({forward_->scratch_bytes(), backward_data_ ? backward_data_->scratch_bytes() : 0,
                     backward_weights_->scratch_bytes()});
  }
  std::string algorithms() const override {
    return concat("forward ", forward_->name(), backward_data_ ? ", backward data " + backward_data_->name() : "",
                  ", backward weights ", backward_weights_->name());
  }

  void attach(void* packed) override {
    forward_->attach(packed);
    if (backward_data_) backward_data_->attach(static_cast<std::byte*>(packed) + backward_packed_at_);
  }
  void refresh_weights(const float* weight) override {
    forward_->refresh_weights(weight);
    if (backward_data_) backward_data_->refresh_weights(weight);
  }

  void forward(const OpContext& context, const float* x, const float* bias, float* y) override {
    forward_->run(context, x, bias, y);
  }
  void backward_data(const OpContext& context, const float* dy, float* dx, Write write) override {
    backward_data_->run(context, dy, dx, write);
  }
  void backward_weights(const OpContext& context, const float* x, const float* dy, float* dweight,
                        float* dbias) override {
    backward_weights_->run(context, x, dy, dweight, dbias);
  }

 private:
  std::unique_ptr<ConvForward> forward_;
  std::unique_ptr<ConvBackwardData> backward_data_;  // null where nobody wants the input's gradient
  std::unique_ptr<ConvBackwardWeights> backward_weights_;
  size_t backward_packed_at_ = 0, packed_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Conv> make_conv_cpu(Device& device, const ConvSpec& spec, const OpOptions& options) {
  if (options.compute == DType::bf16 && !cpu_has_bf16()) {
    fail(ExitCode::usage, "convolution in bf16: this processor has neither AVX512-BF16 nor AMX; use precision=fp32");
  }
  return std::make_unique<CpuConv>(device, spec, options);
}

}  // namespace convoy
