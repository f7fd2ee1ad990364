// The layout shared by every flat parameter buffer: weights, gradients, optimizer state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor/shape.hpp"

namespace convoy {

/// How a parameter starts out. fan_in and fan_out count the connections of one output and one input element.
struct Initialiser {
  enum class Kind {
    constant,  // every element is `value`
    gaussian,  // normal, mean 0, deviation `value`
    xavier,    // uniform in +-sqrt(6 / (fan_in + fan_out)): X. Glorot and Y. Bengio, AISTATS 2010
    he,        // normal, deviation sqrt(2 / fan_in): K. He et al., ICCV 2015
  };
  Kind kind = Kind::constant;
  float value = 0;
  int64_t fan_in = 1, fan_out = 1;
};

/// One tensor inside the flat buffers.
struct Segment {
  std::string name;  // "conv1/weight"
  Shape shape;
  size_t offset = 0;  // in elements
  size_t count = 0;
  float decay_multiplier = 1;
  float rate_multiplier = 1;
  Initialiser init;
  /// Biases and norms: LARS does not scale their rate, and decay-bias=on decays them unless the network says how much.
  enum class Role : uint8_t { weight, bias, bias_with_own_decay };
  Role role = Role::weight;
  /// 0 for a parameter. Else this is a running average (batch norm's statistics): the "gradient" holds the newest
  /// value, summed over lanes and workers like any other, and an update is w += average_rate (g - w), whatever the
  /// optimizer.
  float average_rate = 0;

  bool is_parameter() const { return average_rate == 0; }
};

/// Segments in the order in which backward completes them, so that "gradients in [0, end) are final" is one number.
/// Each starts on a 256-byte border; the padding between them is zero and stays zero.
class SegmentTable {
 public:
  static constexpr size_t alignment = 64;  // elements: 256 bytes of fp32

  /// Appends `segment`, whose offset and count are set here. Returns its index.
  size_t add(Segment segment);

  const std::vector<Segment>& segments() const { return segments_; }

  /// Elements in a flat buffer, padding included.
  size_t size() const { return size_; }

  /// Elements of all segments, padding left out.
  size_t parameter_count() const { return parameter_count_; }

  /// nullptr when there is no such segment.
  const Segment* find(std::string_view name) const;

 private:
  std::vector<Segment> segments_;
  size_t size_ = 0;
  size_t parameter_count_ = 0;
};

}  // namespace convoy
