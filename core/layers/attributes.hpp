// Typed access to the attributes of one layer line, with errors that point at the column.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.hpp"
#include "core/graph/network_text.hpp"
#include "core/memory/segment_table.hpp"
#include "core/tensor/shape.hpp"

namespace convoy {

/// How a window that does not divide its input is rounded.
enum class Fit { exact, floor, ceil };

/// The output extent of a window: (size + padding - (dilation (kernel - 1) + 1)) / stride + 1 under `fit`. With `ceil`
/// the last window must still start inside the input or its leading padding (Caffe's and PyTorch's rule). Returns 0 or
/// a negative number when the window is larger than its input, and -1 with `exact` when it does not divide.
int64_t window_outputs(int64_t size, int64_t pad_before, int64_t pad_after, int64_t kernel, int64_t stride,
                       int64_t dilation, Fit fit);

class Attributes {
 public:
  Attributes(const NetworkText& text, const LayerLine& line, std::vector<Shape> inputs)
      : text_(&text), line_(&line), inputs_(std::move(inputs)) {}

  const LayerLine& line() const { return *line_; }
  /// Shapes per image of the layers this one reads.
  const std::vector<Shape>& inputs() const { return inputs_; }
  /// The only input; fails when there is another number of them.
  const Shape& input() const;
  /// The only input as (H, W, C); fails when it is flat.
  const Shape& image_input() const;
  /// At least `least` inputs; fails otherwise.
  const std::vector<Shape>& several_inputs(size_t least = 2) const;

  bool has(std::string_view key) const { return find(key) != nullptr; }
  /// A positive integer; fails when absent and no fallback is given (fallback < 0).
  int64_t integer(std::string_view key, int64_t fallback = -1, int64_t least = 1) const;
  float number(std::string_view key, float fallback) const;
  /// A number in [least, most].
  float number_in(std::string_view key, float fallback, float least, float most) const;
  /// Numbers separated by commas; none when absent.
  std::vector<float> numbers(std::string_view key) const;
  bool on_off(std::string_view key, bool fallback) const;
  /// "3" or "3x1". Fails when absent and no fallback is given (fallback.h < 0).
  Extent2 extent(std::string_view key, Extent2 fallback = {-1, -1}, int64_t least = 1) const;
  /// As an extent, or four sides: "TOP,LEFT,BOTTOM,RIGHT".
  Padding padding(std::string_view key) const;
  Fit fit() const;
  /// The bare word of the line (`softmax` in `loss softmax`), one of `choices`.
  std::string word(const std::vector<std::string>& choices) const;
  /// The bare word of the line as a shape of one or three dimensions: 784 or 28x28x1.
  Shape shape_word() const;
  /// One of `choices`; the first when absent.
  std::string choice(std::string_view key, const std::vector<std::string>& choices) const;
  /// `init=he|xavier|gaussian|constant`, `std=` (gaussian, default 0.01), `value=` (constant).
  Initialiser initialiser(int64_t fan_in, int64_t fan_out) const;
  /// `key=W` or `key=W,B`: multipliers of the weight's and the bias's decay or rate.
  struct Multipliers {
    float weight = 1, bias = 1;
  };
  Multipliers multipliers(std::string_view key, Multipliers fallback) const;

  /// The output extent of a window over the image input, or the lecture's error with the formula in numbers:
  /// "7x7 input, F=3, S=3, P=0: (7 - 3 + 2*0)/3 + 1 = 2.33 is not whole; ...".
  Extent2 window_output(const Extent2& kernel, const Extent2& stride, const Extent2& dilation,
                        const Padding& padding) const;

  /// Fails at the attribute `key` (or at the kind when absent).
  [[noreturn]] void fail(std::string_view key, const std::string& message) const;

 private:
  const Attribute* find(std::string_view key) const;

  const NetworkText* text_;
  const LayerLine* line_;
  std::vector<Shape> inputs_;
};

}  // namespace convoy
