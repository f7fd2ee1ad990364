#include "tests/core/ops/tested_op.hpp"

#include "tests/core/ops/draws.hpp"

namespace convoy::testing {
namespace {

/// One block of scratch per team, filled with NaN, so that reading what was never written shows.
class Scratch {
 public:
  void prepare(size_t bytes, int teams) {
    blocks_.assign(static_cast<size_t>(teams), Block{});
    for (Block& block : blocks_) {
      block.storage.assign(bytes / sizeof(float) + 64, NAN);
      void* start = block.storage.data();
      size_t room = block.storage.size() * sizeof(float);
      block.aligned = std::align(256, bytes, start, room);
    }
  }
  OpContext context(int team) const { return {.team = team, .scratch = blocks_[static_cast<size_t>(team)].aligned}; }

 private:
  struct Block {
    std::vector<float> storage;
    void* aligned = nullptr;
  };
  std::vector<Block> blocks_;
};

std::vector<float> sized(size_t n) {
  return std::vector<float>(n, NAN);
}

/// Convolution and fully connected layers: linear in the input and in the weights.
template <typename Spec, typename Op>
class Linear : public TestedOp {
 public:
  Linear(const Spec& spec, int64_t batch, int64_t x, int64_t w, int64_t k, int64_t y)
      : spec_(spec), batch_(batch), x_(x), k_(k), y_(y), weights_(uniform(0, 1, w)) {}

  OpData data(uint64_t seed) const override {
    OpData out{.inputs = {uniform(seed, 0, x_), weights_}, .labels = {}, .dy = uniform(seed, 3, y_)};
    if (spec_.bias) out.inputs.push_back(uniform(seed, 2, k_));
    return out;
  }

  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    Sums y(static_cast<size_t>(y_));
    visit([&](size_t i, size_t x, size_t w) { y[i].add(in[0][x] * in[1][w]); });
    for (size_t i = 0; spec_.bias && i < y.size(); ++i) y[i].add(in[2][i % static_cast<size_t>(k_)]);
    if (spec_.activation == Activation::relu) {
      for (Sum& sum : y) sum.value = std::max(sum.value, 0.0);
    }
    return y;
  }

  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g{Sums(spec_.input_gradient ? in[0].size() : 0), Sums(in[1].size())};
    visit([&](size_t i, size_t x, size_t w) {
      const double dy = static_cast<double>(data.dy[i]);
      if (spec_.input_gradient) g[0][x].add(dy * in[1][w]);
      g[1][w].add(dy * in[0][x]);
    });
    if (spec_.bias) {
      g.emplace_back(static_cast<size_t>(k_));
      for (size_t i = 0; i < data.dy.size(); ++i) {
        g[2][i % static_cast<size_t>(k_)].add(static_cast<double>(data.dy[i]));
      }
    }
    return g;
  }

  bool differentiable() const override { return spec_.activation == Activation::none; }
  bool has_input_gradient() const override { return spec_.input_gradient; }

  void prepare(Device& device, const OpOptions& options) override {
    op_ = make(device, options);
    packed_ = DeviceBuffer(device, op_->packed_bytes() + 1, "packed weights");
    op_->attach(packed_.data());
    op_->refresh_weights(weights_.data());
    scratch_.prepare(op_->scratch_bytes(), options.teams);
  }

  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    const bool bias = spec_.bias;
    OpResult out{.y = sized(static_cast<size_t>(y_)), .gradients = {}};
    out.gradients = {spec_.input_gradient ? before : std::vector<float>(), sized(data.inputs[1].size())};
    if (bias) out.gradients.push_back(sized(static_cast<size_t>(k_)));
    const OpContext context = scratch_.context(team);
    op_->forward(context, data.inputs[0].data(), bias ? data.inputs[2].data() : nullptr, out.y.data());
    if (spec_.input_gradient) op_->backward_data(context, data.dy.data(), out.gradients[0].data(), write);
    op_->backward_weights(context, data.inputs[0].data(), data.dy.data(), out.gradients[1].data(),
                          bias ? out.gradients[2].data() : nullptr);
    return out;
  }

 protected:
  using Visitor = std::function<void(size_t y, size_t x, size_t w)>;
  virtual void visit(const Visitor& visitor) const = 0;
  virtual std::unique_ptr<Op> make(Device& device, const OpOptions& options) const = 0;

  const Spec spec_;
  const int64_t batch_;
  std::unique_ptr<Op> op_;

 private:
  int64_t x_, k_, y_;  // elements
  std::vector<float> weights_;
  DeviceBuffer packed_;
  Scratch scratch_;
};

class TestedConv final : public Linear<ConvSpec, Conv> {
 public:
  TestedConv(const ConvSpec& spec, int64_t batch)
      : Linear(spec, batch, batch * spec.input.count(), spec.weight().count(), spec.filters,
               batch * spec.output().count()) {}

 private:
  void visit(const Visitor& visitor) const override { visit_conv(spec_, batch_, visitor); }
  std::unique_ptr<Conv> make(Device& device, const OpOptions& options) const override {
    return make_conv(device, spec_, options);
  }
};

class TestedFc final : public Linear<FcSpec, Fc> {
 public:
  TestedFc(const FcSpec& spec, int64_t batch)
      : Linear(spec, batch, batch * spec.inputs, spec.inputs * spec.outputs, spec.outputs, batch * spec.outputs) {}

 private:
  void visit(const Visitor& visitor) const override { visit_fc(spec_, batch_, visitor); }
  std::unique_ptr<Fc> make(Device& device, const OpOptions& options) const override {
    return make_fc(device, spec_, options);
  }
};

class TestedMaxPool final : public TestedOp {
 public:
  TestedMaxPool(const MaxPoolSpec& spec, int64_t batch) : spec_(spec), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    return {.inputs = {distinct(seed, batch_ * spec_.input.count())},
            .labels = {},
            .dy = uniform(seed, 3, batch_ * spec_.output.count())};
  }
  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    Sums y;
    for (const size_t place : places_of_max(spec_, batch_, in[0])) y.emplace_back().add(in[0][place]);
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g{Sums(in[0].size())};
    const auto places = places_of_max(spec_, batch_, in[0]);
    for (size_t i = 0; i < places.size(); ++i) g[0][places[i]].add(static_cast<double>(data.dy[i]));
    return g;
  }

  void prepare(Device& device, const OpOptions& options) override {
    op_ = make_maxpool(device, spec_, options);
    argmax_.assign(static_cast<size_t>(options.teams), std::vector<std::byte>(op_->argmax_bytes()));
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    OpResult out{.y = sized(data.dy.size()), .gradients = {before}};
    void* argmax = argmax_[static_cast<size_t>(team)].data();
    op_->forward({.team = team}, data.inputs[0].data(), out.y.data(), argmax);
    op_->backward({.team = team}, data.dy.data(), argmax, out.gradients[0].data(), write);
    return out;
  }

 private:
  const MaxPoolSpec spec_;
  const int64_t batch_;
  std::unique_ptr<MaxPool> op_;
  std::vector<std::vector<std::byte>> argmax_;
};

class TestedRelu final : public TestedOp {
 public:
  TestedRelu(const ReluSpec& spec, int64_t batch) : spec_(spec), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    const int64_t n = batch_ * spec_.count;
    return {.inputs = {away_from_zero(uniform(seed, 0, n))}, .labels = {}, .dy = uniform(seed, 3, n)};
  }
  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    Sums y;
    for (const double x : in[0]) y.emplace_back().add(std::max(x, 0.0));
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g{Sums(in[0].size())};
    for (size_t i = 0; i < in[0].size(); ++i) g[0][i].add(in[0][i] > 0 ? static_cast<double>(data.dy[i]) : 0);
    return g;
  }

  void prepare(Device& device, const OpOptions& options) override { op_ = make_relu(device, spec_, options); }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    OpResult out{.y = sized(data.dy.size()), .gradients = {before}};
    op_->forward({.team = team}, data.inputs[0].data(), out.y.data());
    op_->backward({.team = team}, out.y.data(), data.dy.data(), out.gradients[0].data(), write);
    return out;
  }

 private:
  const ReluSpec spec_;
  const int64_t batch_;
  std::unique_ptr<Relu> op_;
};

class TestedSoftmax final : public TestedOp {
 public:
  TestedSoftmax(const SoftmaxSpec& spec, int64_t batch) : classes_(spec.classes), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    const int64_t n = batch_ * classes_;
    OpData out{.inputs = {uniform(seed, 0, n)}, .labels = {}, .dy = uniform(seed, 3, n)};
    for (float& x : out.inputs[0]) x *= 5;
    return out;
  }
  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    Sums y;
    for (int64_t n = 0; n < batch_; ++n) {
      for (const double p : softmax_row(&in[0][static_cast<size_t>(n * classes_)], classes_)) y.emplace_back().add(p);
    }
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g{Sums(in[0].size())};
    for (size_t at = 0; at < in[0].size(); at += static_cast<size_t>(classes_)) {
      const Doubles p = softmax_row(&in[0][at], classes_);
      for (size_t k = 0; k < p.size(); ++k) {
        for (size_t j = 0; j < p.size(); ++j) {
          g[0][at + k].add(static_cast<double>(data.dy[at + j]) * p[j] * ((j == k ? 1.0 : 0.0) - p[k]));
        }
      }
    }
    return g;
  }
  // The op differentiates its own output, which carries the rounding of one float.
  double term_error() const override { return 4; }

  void prepare(Device& device, const OpOptions& options) override {
    op_ = make_softmax(device, {.classes = classes_}, options);
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    OpResult out{.y = sized(data.dy.size()), .gradients = {before}};
    op_->forward({.team = team}, data.inputs[0].data(), out.y.data());
    op_->backward({.team = team}, out.y.data(), data.dy.data(), out.gradients[0].data(), write);
    return out;
  }

 private:
  const int64_t classes_, batch_;
  std::unique_ptr<Softmax> op_;
};

/// Its gradient is defined for dy = the loss scale, the same for every image.
class TestedCrossEntropy final : public TestedOp {
 public:
  TestedCrossEntropy(const CrossEntropySpec& spec, int64_t batch) : classes_(spec.classes), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    OpData out{.inputs = {uniform(seed, 0, batch_ * classes_)}, .labels = {}, .dy = {}};
    for (float& x : out.inputs[0]) x *= 8;
    const RandomStream random(seed, RandomPurpose::test, 4);
    for (int64_t n = 0; n < batch_; ++n) {
      out.labels.push_back(static_cast<int32_t>(random.block(static_cast<uint64_t>(n)).word[0] % classes_));
    }
    out.dy.assign(static_cast<size_t>(batch_), 1.0f / 64);
    return out;
  }
  Sums output(const std::vector<Doubles>& in, const OpData& data) const override {
    Sums losses;
    for (size_t n = 0; n < data.labels.size(); ++n) {
      const double* row = &in[0][n * static_cast<size_t>(classes_)];
      const double* label = row + data.labels[n];
      double sum = 0;
      for (const double* x = row; x < row + classes_; ++x) sum += std::exp(*x - *label);
      losses.emplace_back().add(std::log(sum));
    }
    return losses;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>& in, const OpData& data) const override {
    std::vector<Sums> g(1);
    for (size_t n = 0; n < data.labels.size(); ++n) {
      const Doubles p = softmax_row(&in[0][n * static_cast<size_t>(classes_)], classes_);
      for (size_t k = 0; k < p.size(); ++k) {
        const double hot = static_cast<int32_t>(k) == data.labels[n] ? 1 : 0;
        g[0].emplace_back().add(static_cast<double>(data.dy[n]) * (p[k] - hot));
      }
    }
    return g;
  }

  void prepare(Device& device, const OpOptions& options) override {
    op_ = make_softmax(device, {.classes = classes_}, options);
  }
  OpResult run(int team, const OpData& data, Write write, const std::vector<float>& before) override {
    OpResult out{.y = sized(data.labels.size()), .gradients = {before}};
    op_->cross_entropy({.team = team}, data.inputs[0].data(), data.labels.data(), out.y.data());
    // The loss is the only reader of its input: this gradient is never accumulated by the op.
    std::vector<float> dx(before.size());
    op_->cross_entropy_backward({.team = team}, data.inputs[0].data(), data.labels.data(), data.dy[0], dx.data());
    for (size_t i = 0; i < dx.size(); ++i) out.gradients[0][i] = dx[i] + (write == Write::accumulate ? before[i] : 0);
    return out;
  }

 private:
  const int64_t classes_, batch_;
  std::unique_ptr<Softmax> op_;
};

class TestedPixels final : public TestedOp {
 public:
  TestedPixels(const PixelsSpec& spec, int64_t batch) : spec_(spec), batch_(batch) {}

  OpData data(uint64_t seed) const override {
    OpData out{.inputs = {uniform(seed, 0, batch_ * spec_.input.count())}, .labels = {}, .dy = {}};
    if (spec_.dtype == DType::u8) {
      for (float& x : out.inputs[0]) x = std::floor(x * 128 + 128);
    }
    return out;
  }
  Sums output(const std::vector<Doubles>& in, const OpData&) const override {
    Sums y;
    for (size_t i = 0; i < in[0].size(); ++i) {
      const size_t channel = i % spec_.mean.size();
      Sum& sum = y.emplace_back();
      sum.add(in[0][i] * static_cast<double>(spec_.scale[channel]));
      sum.add(-static_cast<double>(spec_.mean[channel]) * static_cast<double>(spec_.scale[channel]));
    }
    return y;
  }
  std::vector<Sums> gradients(const std::vector<Doubles>&, const OpData&) const override { return {{}}; }
  bool differentiable() const override { return false; }
  bool has_input_gradient() const override { return false; }

  void prepare(Device& device, const OpOptions& options) override { op_ = make_pixels(device, spec_, options); }
  OpResult run(int team, const OpData& data, Write, const std::vector<float>&) override {
    OpResult out{.y = sized(data.inputs[0].size()), .gradients = {{}}};
    if (spec_.dtype == DType::u8) {
      const std::vector<uint8_t> bytes(data.inputs[0].begin(), data.inputs[0].end());
      op_->forward({.team = team}, bytes.data(), out.y.data());
    } else {
      op_->forward({.team = team}, data.inputs[0].data(), out.y.data());
    }
    return out;
  }

 private:
  const PixelsSpec spec_;
  const int64_t batch_;
  std::unique_ptr<Pixels> op_;
};

struct Maker {
  int64_t batch;
  std::unique_ptr<TestedOp> operator()(const ConvSpec& s) const { return std::make_unique<TestedConv>(s, batch); }
  std::unique_ptr<TestedOp> operator()(const FcSpec& s) const { return std::make_unique<TestedFc>(s, batch); }
  std::unique_ptr<TestedOp> operator()(const MaxPoolSpec& s) const { return std::make_unique<TestedMaxPool>(s, batch); }
  std::unique_ptr<TestedOp> operator()(const ReluSpec& s) const { return std::make_unique<TestedRelu>(s, batch); }
  std::unique_ptr<TestedOp> operator()(const SoftmaxSpec& s) const { return std::make_unique<TestedSoftmax>(s, batch); }
  std::unique_ptr<TestedOp> operator()(const CrossEntropySpec& s) const {
    return std::make_unique<TestedCrossEntropy>(s, batch);
  }
  std::unique_ptr<TestedOp> operator()(const PixelsSpec& s) const { return std::make_unique<TestedPixels>(s, batch); }
};

}  // namespace

std::unique_ptr<TestedOp> make_tested_op(const OpCase& op_case) {
  return std::visit(Maker{op_case.batch}, op_case.spec);
}

}  // namespace convoy::testing
