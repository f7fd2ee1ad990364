// Inverted dropout: y = x / (1 - p) for elements that are kept, 0 for the others.
//
// Nothing is stored: whether element i of a sample is kept is a pure function of (seed, layer, the sample's position in
// the run, i), so backward draws the same mask again and the mask does not depend on workers, lanes or threads.
#pragma once

#include <cmath>
#include <memory>

#include "core/base/random.hpp"
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
  uint64_t layer = 0;  // number of the layer in its network
  /// Of the first image in the run's sequence of samples; counts up from there. In the device's memory: it is another
  /// in each step, and the ops of a step may be recorded once for all.
  const int64_t* position = nullptr;
};

/// The words that decide about an image of a call.
CONVOY_HOST_DEVICE inline RandomStream random_of(const DropoutKey& key, int64_t image) {
  return {key.seed, RandomPurpose::dropout, key.layer << 48 | static_cast<uint64_t>(*key.position + image)};
}

/// p * 2^32, below which words drop their element. Exact: a float times a power of two, below 2^32 even for the
/// largest p.
inline uint32_t dropout_threshold(const DropoutSpec& spec) {
  return static_cast<uint32_t>(std::ceil(static_cast<double>(spec.p) * 0x1p32));
}

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
