// Inverted dropout: y = x / (1 - p) for elements that are kept, 0 for the others.
//
// Nothing is stored: whether element i of a sample is kept is a pure function of (seed, layer, the sample's position in
// the run, i), so backward draws the same mask again and the mask does not depend on workers, lanes or threads.
#pragma once

#include <memory>

#include "core/ops/op.hpp"

namespace convoy {

struct DropoutSpec {
  int64_t count = 1;  // elements per image
  float p = 0.5f;     // probability of being dropped, in [0, 1)
};

/// Which mask is drawn. Element i of image n is kept where word i % 4 of block i / 4 of
/// RandomStream(seed, RandomPurpose::dropout, layer << 48 | (position + n)) is at least p * 2^32.
struct DropoutKey {
  uint64_t seed = 0;
  uint64_t layer = 0;    // number of the layer in its network
  int64_t position = 0;  // of the first image in the run's sequence of samples; counts up from there
};

class Dropout {
 public:
  virtual ~Dropout() = default;
  /// y may be x.
  virtual void forward(const OpContext& context, const DropoutKey& key, const float* x, float* y) = 0;
  /// dx may be dy, unless it accumulates.
  virtual void backward(const OpContext& context, const DropoutKey& key, const float* dy, float* dx, Write write) = 0;
};

std::unique_ptr<Dropout> make_dropout(Device& device, const DropoutSpec& spec, const OpOptions& options);
std::unique_ptr<Dropout> make_dropout_cpu(Device& device, const DropoutSpec& spec, const OpOptions& options);
std::unique_ptr<Dropout> make_dropout_cuda(Device& device, const DropoutSpec& spec, const OpOptions& options);

}  // namespace convoy
