// Operators that move elements and compute nothing. Those that Convoy does not have as layers stand here because
// exporters put them around those it has; a case of nothing else shows nothing.
#include <algorithm>

#include "core/ops/concat.hpp"
#include "tests/onnx/operators.hpp"

namespace convoy::onnx {

namespace {

/// Concatenation along any axis is Convoy's along the channels: what is outside the axis is pixels.
void concatenate(Call& call) {
  const size_t at = call.axis(1, call.real(0).rank());
  const int64_t pixels = product(call.real(0).dims, 0, at);
  ConcatSpec spec{.pixels = pixels};
  std::vector<const float*> parts;
  Dims dims = call.real(0).dims;
  dims[at] = 0;
  int64_t channels = 0;
  for (size_t i = 0; i < call.inputs(); ++i) {
    const Tensor& part = call.real(i);
    spec.channels.push_back(part.count() / pixels);
    channels += spec.channels.back();
    dims[at] += part.dims[at];
    parts.push_back(part.reals.data());
  }
  std::vector<float> y(pixels * channels);
  make_concat(cpu(), spec, {})->forward({}, parts, y.data());
  call.outputs[0] = real_tensor(dims, std::move(y));
}

void reshaped(Call& call, Dims dims) {
  call.outputs[0] = call.any(0);
  call.outputs[0].dims = std::move(dims);
}

void flatten(Call& call) {
  const Dims& dims = call.real(0).dims;
  const size_t at = call.axis(1, dims.size());
  reshaped(call, {product(dims, 0, at), product(dims, at, dims.size())});
}

/// Axes were an attribute until operator set 13, then an input; negative ones count from the end of `rank`.
Dims axes_of(const Call& call, size_t rank) {
  Dims axes = call.has(1) ? call.integer(1).integers : call.integers("axes", {});
  for (int64_t& axis : axes) axis += axis < 0 ? static_cast<int64_t>(rank) : 0;
  std::ranges::sort(axes);
  return axes;
}

void squeeze(Call& call) {
  Dims dims = call.any(0).dims;
  const Dims axes = axes_of(call, dims.size());
  if (axes.empty()) std::erase(dims, 1);
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) dims.erase(dims.begin() + *axis);
  reshaped(call, dims);
}

void unsqueeze(Call& call) {
  Dims dims = call.any(0).dims;
  const size_t added = call.has(1) ? call.integer(1).integers.size() : call.integers("axes", {}).size();
  for (const int64_t axis : axes_of(call, dims.size() + added)) dims.insert(dims.begin() + axis, 1);
  reshaped(call, dims);
}

void transpose(Call& call) {
  const Tensor& x = call.real(0);
  if (x.rank() != 2) throw Unsupported("Transpose of more than matrices");
  call.outputs[0] = real_tensor({x.dims[1], x.dims[0]}, swapped(x.reals, 1, x.dims[0], x.dims[1]));
}

void constant(Call& call) {
  const auto found = call.attributes().tensors.find("value");
  if (found == call.attributes().tensors.end()) throw Unsupported("constants that are no tensors");
  call.outputs[0] = found->second;
}

}  // namespace

OperatorTable shape_operators() {
  return {{"Concat", concatenate}, {"Flatten", flatten}};
}

OperatorTable moving_operators() {
  return {{"Squeeze", squeeze}, {"Unsqueeze", unsqueeze}, {"Transpose", transpose}, {"Constant", constant}};
}

}  // namespace convoy::onnx
