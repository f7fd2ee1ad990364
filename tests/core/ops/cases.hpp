// The one list of op cases: it drives the comparison with the oracle, the gradient check and the team tests, and is
// there for benchmarks too.
#pragma once

#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "core/ops/conv.hpp"
#include "core/ops/fc.hpp"
#include "core/ops/maxpool.hpp"
#include "core/ops/pixels.hpp"
#include "core/ops/relu.hpp"
#include "core/ops/softmax.hpp"

namespace convoy::testing {

/// Softmax with cross-entropy, which shares its op with plain softmax.
struct CrossEntropySpec {
  int64_t classes = 1;
};

using AnySpec = std::variant<ConvSpec, FcSpec, MaxPoolSpec, ReluSpec, SoftmaxSpec, CrossEntropySpec, PixelsSpec>;

struct OpCase {
  std::string name;
  int64_t batch = 1;
  AnySpec spec;
};

/// So that a failing case is named.
inline void PrintTo(const OpCase& op_case, std::ostream* out) {
  *out << op_case.name;
}

inline MaxPoolSpec pool(Shape input, Shape output, Extent2 kernel, Extent2 stride, Padding padding = {}) {
  return {.input = input, .output = output, .kernel = kernel, .stride = stride, .padding = padding};
}

inline std::vector<OpCase> conv_cases() {
  const auto relu = Activation::relu;
  return {
      {"conv_one_number", 1, ConvSpec{.input = {1, 1, 1}, .kernel = {1, 1}}},
      {"conv_one_pixel", 3, ConvSpec{.input = {1, 1, 7}, .filters = 5, .kernel = {1, 1}}},
      {"conv_1x1", 2, ConvSpec{.input = {5, 3, 33}, .filters = 17, .kernel = {1, 1}}},
      {"conv_kernel_is_image", 65, ConvSpec{.input = {3, 4, 2}, .filters = 3, .kernel = {3, 4}}},
      {"conv_one_filter", 4, ConvSpec{.input = {9, 7, 5}, .filters = 1, .kernel = {3, 3}}},
      {"conv_no_bias", 2, ConvSpec{.input = {6, 6, 3}, .filters = 8, .kernel = {3, 3}, .bias = false}},
      {"conv_relu", 2, ConvSpec{.input = {6, 6, 16}, .filters = 16, .kernel = {3, 3}, .activation = relu}},
      {"conv_relu_no_bias", 3,
       ConvSpec{.input = {5, 7, 6}, .filters = 9, .kernel = {2, 3}, .bias = false, .activation = relu}},
      {"conv_same_padding", 2, ConvSpec{.input = {7, 9, 8}, .filters = 16, .kernel = {3, 3}, .padding = {1, 1, 1, 1}}},
      {"conv_four_paddings", 2, ConvSpec{.input = {7, 9, 5}, .filters = 6, .kernel = {4, 3}, .padding = {1, 0, 3, 2}}},
      {"conv_padding_beyond_kernel", 1,
       ConvSpec{.input = {2, 2, 3}, .filters = 4, .kernel = {3, 3}, .padding = {4, 3, 5, 4}}},
      {"conv_stride_2", 5, ConvSpec{.input = {11, 10, 4}, .filters = 7, .kernel = {3, 3}, .stride = {2, 2}}},
      {"conv_strides_differ", 2,
       ConvSpec{.input = {13, 9, 6}, .filters = 10, .kernel = {5, 2}, .stride = {3, 1}, .padding = {2, 0, 1, 1}}},
      {"conv_stride_beyond_kernel", 2, ConvSpec{.input = {9, 9, 3}, .filters = 5, .kernel = {1, 2}, .stride = {2, 4}}},
      {"conv_dilated", 2,
       ConvSpec{.input = {9, 11, 8}, .filters = 8, .kernel = {3, 3}, .dilation = {2, 3}, .padding = {2, 3, 2, 3}}},
      {"conv_dilated_strided", 2,
       ConvSpec{.input = {12, 12, 3}, .filters = 5, .kernel = {3, 2}, .stride = {2, 2}, .dilation = {2, 2}}},
      {"conv_groups", 2, ConvSpec{.input = {7, 7, 6}, .filters = 9, .kernel = {3, 3}, .groups = 3}},
      {"conv_groups_wide", 1,
       ConvSpec{.input = {5, 5, 64}, .filters = 32, .kernel = {3, 3}, .padding = {1, 1, 1, 1}, .groups = 2}},
      {"conv_groups_dilated_strided", 2,
       ConvSpec{.input = {9, 10, 8},
                .filters = 12,
                .kernel = {3, 2},
                .stride = {2, 1},
                .dilation = {1, 2},
                .padding = {0, 1, 2, 1},
                .groups = 4}},
      {"conv_depthwise", 3,
       ConvSpec{.input = {8, 8, 5}, .filters = 5, .kernel = {3, 3}, .padding = {1, 1, 1, 1}, .groups = 5}},
      {"conv_depthwise_doubled", 2, ConvSpec{.input = {6, 6, 4}, .filters = 8, .kernel = {3, 3}, .groups = 4}},
      {"conv_wider_than_a_tile", 1, ConvSpec{.input = {4, 70, 40}, .filters = 70, .kernel = {3, 3}}},
      {"conv_first_grey", 9, ConvSpec{.input = {12, 13, 1}, .filters = 20, .kernel = {5, 5}, .input_gradient = false}},
      {"conv_first_colour", 2,
       ConvSpec{.input = {19, 19, 3},
                .filters = 16,
                .kernel = {7, 7},
                .stride = {2, 2},
                .padding = {3, 3, 3, 3},
                .input_gradient = false}},
      {"conv_alexnet_first", 1,
       ConvSpec{.input = {47, 47, 3}, .filters = 24, .kernel = {11, 11}, .stride = {4, 4}, .input_gradient = false}},
      {"conv_lenet_1", 3, ConvSpec{.input = {28, 28, 1}, .filters = 20, .kernel = {5, 5}, .input_gradient = false}},
      {"conv_lenet_2", 5, ConvSpec{.input = {12, 12, 20}, .filters = 50, .kernel = {5, 5}}},
  };
}

inline std::vector<OpCase> fc_cases() {
  return {
      {"fc_one_number", 1, FcSpec{}},
      {"fc_one_input", 3, FcSpec{.inputs = 1, .outputs = 7}},
      {"fc_one_output", 5, FcSpec{.inputs = 13, .outputs = 1}},
      {"fc_odd", 7, FcSpec{.inputs = 33, .outputs = 17}},
      {"fc_no_bias", 2, FcSpec{.inputs = 20, .outputs = 30, .bias = false}},
      {"fc_relu", 4, FcSpec{.inputs = 64, .outputs = 48, .activation = Activation::relu}},
      {"fc_first", 4, FcSpec{.inputs = 30, .outputs = 11, .input_gradient = false}},
      {"fc_batch_1", 1, FcSpec{.inputs = 300, .outputs = 100}},
      {"fc_batch_65", 65, FcSpec{.inputs = 19, .outputs = 21}},
      {"fc_lenet_1", 6, FcSpec{.inputs = 800, .outputs = 500, .activation = Activation::relu}},
      {"fc_lenet_2", 32, FcSpec{.inputs = 500, .outputs = 10}},
  };
}

inline std::vector<OpCase> maxpool_cases() {
  return {
      {"maxpool_one_number", 1, pool({1, 1, 1}, {1, 1, 1}, {1, 1}, {1, 1})},
      {"maxpool_2x2", 2, pool({4, 6, 16}, {2, 3, 16}, {2, 2}, {2, 2})},
      {"maxpool_few_channels", 3, pool({6, 4, 3}, {3, 2, 3}, {2, 2}, {2, 2})},
      {"maxpool_odd_channels", 2, pool({4, 4, 37}, {2, 2, 37}, {2, 2}, {2, 2})},
      {"maxpool_floor", 2, pool({5, 7, 18}, {2, 3, 18}, {2, 2}, {2, 2})},
      {"maxpool_floor_rows", 2, pool({5, 6, 4}, {2, 3, 4}, {2, 2}, {2, 2})},
      {"maxpool_floor_columns", 2, pool({4, 7, 4}, {2, 3, 4}, {2, 2}, {2, 2})},
      {"maxpool_overhang", 2, pool({5, 7, 18}, {3, 4, 18}, {2, 2}, {2, 2})},
      {"maxpool_overlapping", 2, pool({7, 9, 20}, {3, 4, 20}, {3, 3}, {2, 2})},
      {"maxpool_stride_1", 2, pool({5, 5, 5}, {3, 3, 5}, {3, 3}, {1, 1})},
      {"maxpool_gaps", 2, pool({8, 8, 17}, {3, 3, 17}, {2, 2}, {3, 3})},
      {"maxpool_padded", 2, pool({6, 6, 20}, {3, 3, 20}, {3, 3}, {2, 2}, {1, 1, 0, 0})},
      {"maxpool_four_paddings", 3, pool({6, 7, 4}, {4, 4, 4}, {3, 4}, {2, 2}, {2, 1, 1, 2})},
      {"maxpool_padded_overhang", 1, pool({4, 4, 19}, {3, 3, 19}, {3, 3}, {2, 2}, {1, 1, 1, 1})},
      {"maxpool_1x3", 2, pool({3, 6, 16}, {3, 2, 16}, {1, 3}, {1, 3})},
      {"maxpool_3x1", 2, pool({6, 3, 16}, {2, 3, 16}, {3, 1}, {3, 1})},
      {"maxpool_global", 65, pool({5, 3, 9}, {1, 1, 9}, {5, 3}, {1, 1})},
      {"maxpool_16x16", 1, pool({16, 32, 2}, {1, 2, 2}, {16, 16}, {16, 16})},
      {"maxpool_lenet_1", 8, pool({24, 24, 20}, {12, 12, 20}, {2, 2}, {2, 2})},
      {"maxpool_lenet_2", 8, pool({8, 8, 50}, {4, 4, 50}, {2, 2}, {2, 2})},
      {"maxpool_wide", 2, pool({11, 40, 48}, {5, 19, 48}, {3, 3}, {2, 2})},
  };
}

inline std::vector<OpCase> other_cases() {
  return {
      {"relu_one_number", 1, ReluSpec{.count = 1}},
      {"relu_odd", 3, ReluSpec{.count = 37}},
      {"relu_lenet", 64, ReluSpec{.count = 500}},
      {"relu_several_ranges", 5, ReluSpec{.count = 13001}},
      {"softmax_one_class", 2, SoftmaxSpec{.classes = 1}},
      {"softmax_lenet", 64, SoftmaxSpec{.classes = 10}},
      {"softmax_odd", 7, SoftmaxSpec{.classes = 23}},
      {"softmax_imagenet", 5, SoftmaxSpec{.classes = 1000}},
      {"cross_entropy_one_class", 2, CrossEntropySpec{.classes = 1}},
      {"cross_entropy_two_classes", 1, CrossEntropySpec{.classes = 2}},
      {"cross_entropy_lenet", 65, CrossEntropySpec{.classes = 10}},
      {"cross_entropy_imagenet", 5, CrossEntropySpec{.classes = 1000}},
      {"pixels_one_number", 1, PixelsSpec{.input = {1, 1, 1}, .mean = {3}, .scale = {0.5f}}},
      {"pixels_lenet", 64, PixelsSpec{.input = {28, 28, 1}, .mean = {33.3f}, .scale = {1 / 255.0f}}},
      {"pixels_colour", 3,
       PixelsSpec{.input = {17, 19, 3}, .mean = {124, 117, 104}, .scale = {0.017f, 0.018f, 0.019f}}},
      {"pixels_floats", 2,
       PixelsSpec{.input = {9, 5, 2}, .dtype = DType::f32, .mean = {0.5f, -1}, .scale = {2, 0.25f}}},
  };
}

inline std::vector<OpCase> all_cases() {
  std::vector<OpCase> all;
  for (const auto& part : {conv_cases(), fc_cases(), maxpool_cases(), other_cases()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace convoy::testing
