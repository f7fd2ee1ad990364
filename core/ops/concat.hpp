// Images of one size put together along their channels.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "core/ops/op.hpp"

namespace convoy {

struct ConcatSpec {
  int64_t pixels = 1;               // per image: H W; 1 for flat tensors
  std::vector<int64_t> channels{};  // of each input
};

class Concat {
 public:
  virtual ~Concat() = default;
  /// y (N,H,W,sum of channels) from x[i] (N,H,W,channels[i]).
  virtual void forward(const OpContext& context, std::span<const float* const> x, float* y) = 0;
  /// dx (N,H,W,channels[input]): the input's share of dy.
  virtual void backward(const OpContext& context, const float* dy, size_t input, float* dx, Write write) = 0;
};

std::unique_ptr<Concat> make_concat(Device& device, const ConcatSpec& spec, const OpOptions& options);
std::unique_ptr<Concat> make_concat_cpu(Device& device, const ConcatSpec& spec, const OpOptions& options);
std::unique_ptr<Concat> make_concat_cuda(Device& device, const ConcatSpec& spec, const OpOptions& options);

}  // namespace convoy
