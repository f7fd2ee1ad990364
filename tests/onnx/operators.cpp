#include "tests/onnx/operators.hpp"

namespace convoy::onnx {

const Tensor& Call::any(size_t i) const {
  if (!has(i)) throw std::runtime_error(node_.op + " lacks input " + std::to_string(i));
  return *inputs_[i];
}

const Tensor& Call::typed(size_t i, Tensor::Type type) const {
  const Tensor& tensor = any(i);
  if (tensor.type != type)
    throw Unsupported(node_.op + " of " + tensor.type_name + " elements; Convoy computes in float");
  return tensor;
}

size_t Call::axis(int64_t fallback, size_t rank) const {
  const int64_t given = integer("axis", fallback);
  return static_cast<size_t>(given < 0 ? given + static_cast<int64_t>(rank) : given);
}

Device& cpu() {
  static const std::unique_ptr<Device> device = make_cpu_device();
  return *device;
}

const OperatorTable& operators() {
  static const OperatorTable table = [] {
    OperatorTable all;
    for (const OperatorTable& part : {spatial_operators(), row_operators(), elementwise_operators(), shape_operators(),
                                      moving_operators(), optimizer_operators()}) {
      all.insert(part.begin(), part.end());
    }
    return all;
  }();
  return table;
}

}  // namespace convoy::onnx
