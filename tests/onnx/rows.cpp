// Matrices, softmax and losses: operators on rows.
#include "core/ops/add.hpp"
#include "core/ops/fc.hpp"
#include "core/ops/loss.hpp"
#include "core/ops/softmax.hpp"
#include "tests/onnx/operators.hpp"

namespace convoy::onnx {

namespace {

std::vector<float> scaled(std::vector<float> values, float factor) {
  for (float& value : values) value *= factor;
  return values;
}

/// x (N,C) times weight (K,C), transposed, plus bias (K; may be empty), by Convoy's fc.
std::vector<float> fully_connected(int64_t n, int64_t c, int64_t k, const std::vector<float>& x,
                                   const std::vector<float>& weight, const std::vector<float>& bias) {
  const FcSpec spec{.inputs = c, .outputs = k, .bias = !bias.empty(), .input_gradient = false};
  const auto op = make_fc(cpu(), spec, {.batch = n});
  const Workspace packed(op->packed_bytes()), scratch(op->scratch_bytes());
  op->attach(packed.data());
  op->refresh_weights(weight.data());
  std::vector<float> y(n * k);
  op->forward(scratch.context(), x.data(), spec.bias ? bias.data() : nullptr, y.data());
  return y;
}

/// C of Gemm, (N,K) or less of it, written out over `rows` rows of `columns`.
std::vector<float> written_out(const Tensor& c, int64_t rows, int64_t columns, float factor) {
  const bool by_column = c.rank() > 0 && c.dims.back() == columns;
  const bool by_row = c.rank() == 2 && c.dims[0] == rows;
  std::vector<float> out;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t row = by_row ? i : 0;
      out.push_back(factor * c.reals[row * (by_column ? columns : 1) + (by_column ? j : 0)]);
    }
  }
  return out;
}

/// alpha A' B' + beta C: an fc whose weight is alpha B'^T; C is its bias, or added after where it differs by row.
void gemm(Call& call) {
  const Tensor &a = call.real(0), &b = call.real(1);
  const bool turn_a = call.integer("transA", 0) != 0, turn_b = call.integer("transB", 0) != 0;
  const int64_t n = a.dims[turn_a ? 1 : 0], c = a.dims[turn_a ? 0 : 1], k = b.dims[turn_b ? 0 : 1];
  const std::vector<float> x = turn_a ? swapped(a.reals, 1, c, n) : a.reals;
  const std::vector<float> weight = scaled(turn_b ? b.reals : swapped(b.reals, 1, c, k), call.number("alpha", 1));
  const float beta = call.number("beta", 1);
  const bool added = call.has(2) && call.real(2).rank() == 2 && call.real(2).dims[0] > 1;
  const std::vector<float> bias = call.has(2) && !added ? written_out(call.real(2), 1, k, beta) : std::vector<float>();
  std::vector<float> y = fully_connected(n, c, k, x, weight, bias);
  if (added) {
    const std::vector<float> rest = written_out(call.real(2), n, k, beta);
    const float* terms[] = {y.data(), rest.data()};
    make_add(cpu(), {.count = k}, {.batch = n})->forward({}, terms, y.data());
  }
  call.outputs[0] = real_tensor({n, k}, std::move(y));
}

void matmul(Call& call) {
  const Tensor &a = call.real(0), &b = call.real(1);
  if (a.rank() != 2 || b.rank() != 2) throw Unsupported("stacks of matrices");
  const int64_t n = a.dims[0], c = a.dims[1], k = b.dims[1];
  call.outputs[0] = real_tensor({n, k}, fully_connected(n, c, k, a.reals, swapped(b.reals, 1, c, k), {}));
}

using SoftmaxPass = void (Softmax::*)(const OpContext&, const float*, float*);

std::vector<float> softmax_rows(const std::vector<float>& rows, int64_t count, int64_t classes, SoftmaxPass pass) {
  std::vector<float> y(rows.size());
  const auto op = make_softmax(cpu(), {.classes = classes}, {.batch = count});
  (op.get()->*pass)({}, rows.data(), y.data());
  return y;
}

/// Until operator set 13 everything from the axis on was one row.
template <SoftmaxPass pass>
void softmax(Call& call) {
  const Tensor& x = call.real(0);
  const bool flat = call.opset() < 13;
  const size_t at = call.axis(flat ? 1 : -1, x.rank());
  const Dims dims = flat ? Dims{product(x.dims, 0, at), product(x.dims, at, x.rank())} : x.dims;
  const Axis axis(dims, flat ? 1 : at);
  const std::vector<float> y = softmax_rows(channels_last(x.reals, axis), axis.rows(), axis.channels, pass);
  call.outputs[0] = real_tensor(x.dims, channels_first(y, axis));
}

/// What one loss needs, from scores (N,C,d1,..) and labels (N,d1,..): a row for each pixel.
struct Scores {
  Scores(const Call& call) : axis(call.real(0).dims, 1), rows(channels_last(call.real(0).reals, axis)) {
    const auto& integers = call.attributes().integers;
    const auto found = integers.find("ignore_index");
    weights = call.has(2) ? call.real(2).reals : std::vector<float>();
    for (const int64_t label : call.integer(1).integers) {
      const bool skipped = found != integers.end() && label == found->second;
      labels.push_back(skipped ? -1 : static_cast<int32_t>(label));
      const float weight = weights.empty() ? 1 : weights[static_cast<size_t>(skipped ? 0 : label)];
      total_weight += skipped ? 0 : static_cast<double>(weight);
    }
  }
  Axis axis;
  std::vector<float> rows, weights;
  std::vector<int32_t> labels;
  double total_weight = 0;  // of the labels that count: what a mean is divided by
};

template <LossSpec::Kind kind>
void loss(Call& call) {
  const Scores scores(call);
  const int64_t count = scores.axis.rows();
  std::vector<float> losses(count);
  make_loss(cpu(), {.kind = kind, .classes = scores.axis.channels, .class_weights = scores.weights}, {.batch = count})
      ->forward({}, scores.rows.data(), scores.labels.data(), losses.data());
  if (call.wants(1)) {
    const std::vector<float> logs = softmax_rows(scores.rows, count, scores.axis.channels, &Softmax::forward_log);
    call.outputs[1] = real_tensor(call.real(0).dims, channels_first(logs, scores.axis));
  }
  const std::string reduction = call.text("reduction", "mean");
  if (reduction == "none") {
    call.outputs[0] = real_tensor(call.integer(1).dims, std::move(losses));
    return;
  }
  double sum = 0;
  for (const float one : losses) sum += static_cast<double>(one);
  if (reduction == "mean") sum /= scores.total_weight;
  call.outputs[0] = real_tensor({}, {static_cast<float>(sum)});
}

}  // namespace

OperatorTable row_operators() {
  return {{"Gemm", gemm},
          {"MatMul", matmul},
          {"Softmax", softmax<&Softmax::forward>},
          {"LogSoftmax", softmax<&Softmax::forward_log>},
          {"SoftmaxCrossEntropyLoss", loss<LossSpec::Kind::softmax>},
          {"NegativeLogLikelihoodLoss", loss<LossSpec::Kind::nll>}};
}

}  // namespace convoy::onnx
