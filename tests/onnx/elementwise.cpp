// Activations, sums and dropout.
#include "core/ops/activation.hpp"
#include "core/ops/add.hpp"
#include "core/ops/dropout.hpp"
#include "tests/onnx/operators.hpp"

namespace convoy::onnx {

namespace {

void activate(Call& call, Activation function, float slope) {
  const Tensor& x = call.real(0);
  std::vector<float> y(x.reals.size());
  make_activation(cpu(), {.function = function, .count = x.count(), .slope = slope}, {})
      ->forward({}, x.reals.data(), y.data());
  call.outputs[0] = real_tensor(x.dims, std::move(y));
}

template <Activation function>
void activation(Call& call) {
  activate(call, function, 0);
}

void leaky_relu(Call& call) {
  activate(call, Activation::leaky_relu, call.number("alpha", 0.01f));
}

void add(Call& call) {
  const Tensor& first = call.real(0);
  std::vector<const float*> terms;
  for (size_t i = 0; i < call.inputs(); ++i) {
    if (call.real(i).dims != first.dims) throw Unsupported("broadcasting; Convoy adds tensors of one shape");
    terms.push_back(call.real(i).reals.data());
  }
  if (terms.size() == 1) throw Unsupported("a sum of one tensor");
  std::vector<float> y(first.reals.size());
  make_add(cpu(), {.count = first.count()}, {})->forward({}, terms, y.data());
  call.outputs[0] = real_tensor(first.dims, std::move(y));
}

/// In training the ratio must be 0: another mask than ONNX's generator draws is no error.
void dropout(Call& call) {
  const Tensor& x = call.real(0);
  const bool training = call.opset() >= 12 && call.has(2) && call.integer(2).integers.at(0) != 0;
  const float ratio = call.has(1) ? call.real(1).reals.at(0) : 0.5f;
  if (training && ratio != 0) throw Unsupported("the mask of another random generator");
  std::vector<float> y(x.reals.size());
  const int64_t position = 0;
  make_dropout(cpu(), {.count = x.count(), .p = 0}, {})->forward({}, {.position = &position}, x.reals.data(), y.data());
  call.outputs[0] = real_tensor(x.dims, std::move(y));
  if (call.wants(1)) call.outputs[1] = integer_tensor(x.dims, std::vector<int64_t>(x.reals.size(), 1));
}

}  // namespace

OperatorTable elementwise_operators() {
  return {{"Relu", activation<Activation::relu>},
          {"Sigmoid", activation<Activation::sigmoid>},
          {"Tanh", activation<Activation::tanh>},
          {"LeakyRelu", leaky_relu},
          {"Add", add},
          {"Sum", add},
          {"Dropout", dropout}};
}

}  // namespace convoy::onnx
