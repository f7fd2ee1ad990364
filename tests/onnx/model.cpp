#include "tests/onnx/model.hpp"

#define ONNX_ML 1
#define ONNX_NAMESPACE onnx
#include <onnx/onnx_pb.h>

#include <cstring>
#include <fstream>

namespace convoy::onnx {

namespace {

using ::onnx::TensorProto;

/// The elements of a tensor: packed bytes of type T, or else a repeated field.
template <typename T, typename Out, typename Field>
std::vector<Out> elements(const TensorProto& proto, const Field& field, int64_t count) {
  std::vector<Out> out;
  if (!proto.has_raw_data()) {
    for (const auto value : field) out.push_back(static_cast<Out>(value));
    return out;
  }
  if (proto.raw_data().size() != static_cast<size_t>(count) * sizeof(T))
    throw std::runtime_error("a tensor is cut off");
  std::vector<T> raw(static_cast<size_t>(count));
  std::memcpy(raw.data(), proto.raw_data().data(), proto.raw_data().size());
  for (const T value : raw) out.push_back(static_cast<Out>(value));
  return out;
}

Tensor tensor_of(const TensorProto& proto) {
  Tensor out;
  out.dims.assign(proto.dims().begin(), proto.dims().end());
  const int64_t count = out.count();
  switch (proto.data_type()) {
    case TensorProto::FLOAT: out.reals = elements<float, float>(proto, proto.float_data(), count); return out;
    case TensorProto::DOUBLE: out.reals = elements<double, float>(proto, proto.double_data(), count); return out;
    case TensorProto::INT64: out.integers = elements<int64_t, int64_t>(proto, proto.int64_data(), count); break;
    case TensorProto::INT32: out.integers = elements<int32_t, int64_t>(proto, proto.int32_data(), count); break;
    case TensorProto::BOOL: out.integers = elements<uint8_t, int64_t>(proto, proto.int32_data(), count); break;
    default:
      out.type = Tensor::Type::other;
      out.type_name = TensorProto::DataType_Name(static_cast<TensorProto::DataType>(proto.data_type()));
      return out;
  }
  out.type = Tensor::Type::integer;
  out.type_name = "integer";
  return out;
}

Attributes attributes_of(const ::onnx::NodeProto& node) {
  Attributes out;
  for (const ::onnx::AttributeProto& a : node.attribute()) {
    switch (a.type()) {
      case ::onnx::AttributeProto::INT: out.integers[a.name()] = a.i(); break;
      case ::onnx::AttributeProto::FLOAT: out.reals[a.name()] = a.f(); break;
      case ::onnx::AttributeProto::STRING: out.texts[a.name()] = a.s(); break;
      case ::onnx::AttributeProto::INTS: out.integer_lists[a.name()] = {a.ints().begin(), a.ints().end()}; break;
      case ::onnx::AttributeProto::TENSOR: out.tensors[a.name()] = tensor_of(a.t()); break;
      default: break;
    }
  }
  return out;
}

template <typename Message>
Message parse(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Message message;
  if (!file || !message.ParseFromIstream(&file)) throw std::runtime_error(path + " cannot be read");
  return message;
}

}  // namespace

Model read_model(const std::string& path) {
  const auto proto = parse<::onnx::ModelProto>(path);
  std::map<std::string, int64_t> opsets;
  for (const auto& set : proto.opset_import()) opsets[set.domain()] = set.version();
  Model model;
  for (const TensorProto& tensor : proto.graph().initializer()) model.initialisers[tensor.name()] = tensor_of(tensor);
  for (const auto& node : proto.graph().node()) {
    model.nodes.push_back({.op = node.op_type(),
                           .inputs = {node.input().begin(), node.input().end()},
                           .outputs = {node.output().begin(), node.output().end()},
                           .attributes = attributes_of(node),
                           .opset = opsets[node.domain()]});
  }
  for (const auto& input : proto.graph().input()) {
    if (!model.initialisers.contains(input.name())) model.inputs.push_back(input.name());
  }
  for (const auto& output : proto.graph().output()) model.outputs.push_back(output.name());
  return model;
}

Tensor read_tensor(const std::string& path) {
  try {
    return tensor_of(parse<TensorProto>(path));
  } catch (const std::runtime_error&) {
    throw Unsupported("sequences and optional values");
  }
}

}  // namespace convoy::onnx
