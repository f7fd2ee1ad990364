// Separable resampling: each row of the result is blended from rows of the picture, in floats, and then along itself.
//
// Weights are those of Pillow's and torchvision's antialiased BILINEAR (src/libImaging/Resample.c). Every sum is taken
// in the order written, without fused multiply-adds, so that all instruction sets give the same bits. Nothing is
// rounded between the two directions.
#include "io/image/resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/base/error.hpp"
#include "core/base/isa.hpp"
#include "io/image/checks.hpp"

namespace convoy {
namespace {

/// For every output position, the inputs it is made of.
struct Taps {
  struct Range {
    int32_t begin = 0, count = 0, weight = 0;  // inputs [begin, begin + count), weights from [weight]
  };
  std::vector<Range> ranges;
  std::vector<float> weights;
};

Taps triangle_taps(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(1.0, scale);
  Taps taps;
  taps.ranges.resize(static_cast<size_t>(to));
  taps.weights.reserve(static_cast<size_t>(to) * (2 * static_cast<size_t>(support) + 3));
  std::vector<double> row;
  for (int64_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const int64_t begin = std::max<int64_t>(0, static_cast<int64_t>(std::floor(centre - support + 0.5)));
    const int64_t end = std::min(from, static_cast<int64_t>(std::floor(centre + support + 0.5)));
    double sum = 0;
    row.clear();
    for (int64_t j = begin; j < end; ++j) {
      const double distance = std::abs((static_cast<double>(j) - centre + 0.5) / support);
      row.push_back(std::max(0.0, 1.0 - distance));
      sum += row.back();
    }
    taps.ranges[static_cast<size_t>(i)] = {.begin = static_cast<int32_t>(begin),
                                           .count = static_cast<int32_t>(end - begin),
                                           .weight = static_cast<int32_t>(taps.weights.size())};
    for (const double weight : row) taps.weights.push_back(static_cast<float>(weight / sum));
  }
  return taps;
}

/// to[j] = sum of weights[k] * rows[k][j], k from 0 up; rows are `stride` bytes apart.
CONVOY_ISA_CLONES
void blend_rows(const uint8_t* rows, int64_t stride, const float* weights, int32_t count, int64_t width, float* to) {
  // Several rows at a time, so that the sums are written less often.
  const uint8_t* a = rows;
  int32_t k = 0;
  if (count >= 3) {
    const uint8_t *b = rows + stride, *c = rows + 2 * stride;
    const float u = weights[0], v = weights[1], w = weights[2];
    for (int64_t j = 0; j < width; ++j) {
      to[j] = u * static_cast<float>(a[j]) + v * static_cast<float>(b[j]) + w * static_cast<float>(c[j]);
    }
    k = 3;
  } else {
    const float u = weights[0];
    for (int64_t j = 0; j < width; ++j) to[j] = u * static_cast<float>(a[j]);
    k = 1;
  }
  for (; k + 2 <= count; k += 2) {
    const uint8_t *b = rows + k * stride, *c = b + stride;
    const float u = weights[k], v = weights[k + 1];
    for (int64_t j = 0; j < width; ++j) {
      to[j] = to[j] + u * static_cast<float>(b[j]) + v * static_cast<float>(c[j]);
    }
  }
  for (; k < count; ++k) {
    const uint8_t* b = rows + k * stride;
    const float u = weights[k];
    for (int64_t j = 0; j < width; ++j) to[j] = to[j] + u * static_cast<float>(b[j]);
  }
}

constexpr float half = 0.5f;

/// Weights are not negative and sum to 1, so that no value leaves [0, 255] by more than rounding.
uint8_t rounded(float value) {
  return static_cast<uint8_t>(static_cast<int32_t>(value + half));
}

using Four = float __attribute__((vector_size(16)));
using FourInts = int32_t __attribute__((vector_size(16)));
using FourBytes = uint8_t __attribute__((vector_size(4)));

/// One row of RGB: red, green, blue and a fourth value that is not used, side by side. `from` has one value to spare.
CONVOY_ISA_CLONES
void blend_along_rgb(const float* from, const Taps::Range* ranges, const float* weights, int64_t width, uint8_t* to) {
  for (int64_t x = 0; x < width; ++x) {
    const float* next = from + 3 * int64_t{ranges[x].begin};
    const float* weight = weights + ranges[x].weight;
    Four sum = {0, 0, 0, 0};
    for (int32_t k = 0; k < ranges[x].count; ++k, next += 3) {
      Four pixel;
      std::memcpy(&pixel, next, sizeof(pixel));
      sum = sum + pixel * weight[k];
    }
    const auto levels = __builtin_convertvector(__builtin_convertvector(sum + half, FourInts), FourBytes);
    // The fourth byte is the next pixel's, which comes later; after the last pixel there is none.
    std::memcpy(to + 3 * x, &levels, x + 1 < width ? 4 : 3);
  }
}

CONVOY_ISA_CLONES
void blend_along_grey(const float* from, const Taps::Range* ranges, const float* weights, int64_t width, uint8_t* to) {
  for (int64_t x = 0; x < width; ++x) {
    const float* next = from + ranges[x].begin;
    const float* weight = weights + ranges[x].weight;
    float sum = 0;
    for (int32_t k = 0; k < ranges[x].count; ++k) sum = sum + next[k] * weight[k];
    to[x] = rounded(sum);
  }
}

void copy_box(const uint8_t* from, int64_t stride, Image& to) {
  const int64_t row = to.width * to.channels;
  for (int64_t y = 0; y < to.height; ++y) {
    std::memcpy(to.pixels.data() + y * row, from + y * stride, static_cast<size_t>(row));
  }
}

}  // namespace

void resize(const Image& from, const Box& box, int64_t height, int64_t width, Image& to) {
  check_image(from);
  if (box.top < 0 || box.left < 0 || box.height < 1 || box.width < 1 || box.height > from.height - box.top ||
      box.width > from.width - box.left || height < 1 || width < 1 || &from == &to) {
    fail(ExitCode::internal, "resize of the box ", box.top, ",", box.left, " ", box.height, "x", box.width,
         " of a picture of ", from.height, "x", from.width, " to ", height, "x", width);
  }
  if (height > largest_picture / width) {
    fail(ExitCode::data, "a picture of ", from.width, "x", from.height, " pixels would grow to ", width, "x", height,
         ", more than 2^28 pixels; leave it out, or choose a smaller size");
  }
  to.height = height;
  to.width = width;
  to.channels = from.channels;
  to.pixels.resize(to.bytes());
  const int64_t channels = from.channels, stride = from.width * channels;
  const uint8_t* pixels = from.pixels.data() + box.top * stride + box.left * channels;
  if (height == box.height && width == box.width) {
    copy_box(pixels, stride, to);
    return;
  }

  const Taps down = triangle_taps(box.height, height), along = triangle_taps(box.width, width);
  const int64_t values = box.width * channels;
  std::vector<float> row(static_cast<size_t>(values) + 1);
  const auto blend_along = channels == 3 ? blend_along_rgb : blend_along_grey;
  for (int64_t y = 0; y < height; ++y) {
    const Taps::Range& range = down.ranges[static_cast<size_t>(y)];
    blend_rows(pixels + range.begin * stride, stride, down.weights.data() + range.weight, range.count, values,
               row.data());
    blend_along(row.data(), along.ranges.data(), along.weights.data(), width, to.pixels.data() + y * width * channels);
  }
}

void resize_shorter_side(const Image& from, int64_t side, Image& to) {
  check_image(from);
  const int64_t shorter = std::min(from.height, from.width);
  const auto scaled = [&](int64_t length) { return length == shorter ? side : side * length / shorter; };
  resize(from, {.height = from.height, .width = from.width}, scaled(from.height), scaled(from.width), to);
}

Box centre_box(const Image& image, int64_t height, int64_t width) {
  if (height > image.height || width > image.width) {
    fail(ExitCode::data, "a picture of ", image.height, "x", image.width, " pixels has no part of ", height, "x", width,
         "; resize it to a larger size first");
  }
  const auto middle = [](int64_t spare) { return spare / 2 + (spare % 4 == 3 ? 1 : 0); };
  return {.top = middle(image.height - height), .left = middle(image.width - width), .height = height, .width = width};
}

}  // namespace convoy
