// What every op family shares.
//
// An op is a prepared object: geometry, padding, precision, algorithm and scratch are fixed when it is made, and
// running it takes pointers only. Ops are stateless between calls but for packed copies of weights, so the teams of one
// worker (see core/train/lanes.hpp) may run the same op at the same time, each with its own OpContext.
#pragma once

#include <cstddef>

#include "core/device/device.hpp"
#include "core/tensor/view.hpp"

namespace convoy {

class Tuning;

/// How an op is going to be run.
struct OpOptions {
  int64_t batch = 1;           // images in one call (one lane)
  int teams = 1;               // calls that may be under way at once
  int threads = 1;             // threads of one team
  DType compute = DType::f32;  // bf16, tf32: conv and fc may multiply in it; they add up, and keep tensors, in fp32
  Tuning* tuning = nullptr;    // measures which algorithm is fastest; without one, fixed rules decide
};

/// Handed to each call.
struct OpContext {
  int team = 0;             // in [0, OpOptions::teams)
  void* scratch = nullptr;  // at least scratch_bytes() of the op, aligned to 256 bytes, private to this call
};

/// Elementwise functions, all of which can tell their slope from their result.
enum class Activation : uint8_t { none, relu, leaky_relu, sigmoid, tanh };

/// Calls the factory that belongs to the device's backend.
template <typename Made, typename Spec>
Made make_for(Device& device, Made (*cpu)(Device&, const Spec&, const OpOptions&),
              Made (*cuda)(Device&, const Spec&, const OpOptions&), const Spec& spec, const OpOptions& options) {
  return device.backend() == Backend::cpu ? cpu(device, spec, options) : cuda(device, spec, options);
}

}  // namespace convoy
