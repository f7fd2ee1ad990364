// Decoding, resizing and encoding of one picture.
#include "io/importers/prepare.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/error.hpp"
#include "io/image/decode.hpp"
#include "io/image/encode.hpp"
#include "io/image/resize.hpp"

namespace convoy {
namespace {

/// ITU-R BT.601 luma, as libjpeg's and Pillow's.
uint8_t grey_of(const uint8_t* rgb) {
  return static_cast<uint8_t>(
      (uint32_t{rgb[0]} * 19595 + uint32_t{rgb[1]} * 38470 + uint32_t{rgb[2]} * 7471 + 0x8000) >> 16);
}

void convert_channels(Image& image, int64_t channels) {
  if (image.channels == channels) return;
  const auto count = static_cast<size_t>(image.height * image.width);
  std::vector<uint8_t> to(count * static_cast<size_t>(channels));
  for (size_t i = 0; i < count; ++i) {
    if (channels == 1)
      to[i] = grey_of(&image.pixels[3 * i]);
    else
      std::fill_n(&to[3 * i], 3, image.pixels[i]);
  }
  image.pixels = std::move(to);
  image.channels = channels;
}

void crop(const Image& from, const Box& box, Image& to) {
  to.height = box.height, to.width = box.width, to.channels = from.channels;
  to.pixels.resize(to.bytes());
  const auto row = static_cast<size_t>(box.width * from.channels);
  for (int64_t y = 0; y < box.height; ++y) {
    const int64_t begin = ((box.top + y) * from.width + box.left) * from.channels;
    std::copy_n(from.pixels.begin() + begin, row, to.pixels.begin() + y * static_cast<int64_t>(row));
  }
}

/// To the smallest size, in proportion, that covers height x width; the middle of it.
void cover(const Image& from, int64_t height, int64_t width, Image& resized, Image& to) {
  if (height == width) {
    resize_shorter_side(from, height, resized);
  } else {
    const double scale = std::max(static_cast<double>(height) / static_cast<double>(from.height),
                                  static_cast<double>(width) / static_cast<double>(from.width));
    const auto scaled = [&](int64_t side) { return std::llround(static_cast<double>(side) * scale); };
    resize(from, {.height = from.height, .width = from.width}, std::max<int64_t>(height, scaled(from.height)),
           std::max<int64_t>(width, scaled(from.width)), resized);
  }
  crop(resized, centre_box(resized, height, width), to);
}

bool fits(const Image& image, const PrepareOptions& options) {
  if (options.height == 0) return true;
  if (options.width == 0) return std::min(image.height, image.width) == options.height;
  return image.height == options.height && image.width == options.width;
}

}  // namespace

int64_t samples_at_a_time(const PrepareOptions& options, int64_t image_bytes) {
  if (options.from != Encoding::raw || options.to != Encoding::raw) return 2;
  constexpr int64_t batch_bytes = 1 << 20, most = 64;
  const int64_t made = options.height * options.width * options.channels;
  return std::clamp<int64_t>(batch_bytes / std::max({image_bytes, made, int64_t{1}}), 1, most);
}

void prepare(PrepareScratch& scratch, const std::string& name, const PrepareOptions& options, Prepared& prepared) {
  Image* image = &scratch.sample.image;
  const bool from_file = options.from == Encoding::jpeg;
  if (from_file) {
    const int64_t least = options.resize ? std::max(options.height, options.width) : 0;
    decode_image(scratch.sample.encoded, name, {.channels = options.channels, .least_side = least}, scratch.decoded);
    image = &scratch.decoded;
  } else {
    convert_channels(*image, options.channels);
  }
  const bool fitting = fits(*image, options);
  if (!fitting && !options.resize) {
    fail(ExitCode::usage, name, ": is ", image->height, "x", image->width, " (height x width), where ", options.height,
         "x", options.width,
         " was expected, as of the first picture; give --size S to make all alike, or --encoding "
         "jpeg to keep their sizes");
  }
  if (fitting) {
    std::swap(prepared.pixels, *image);
  } else if (options.width > 0) {
    cover(*image, options.height, options.width, scratch.resized, prepared.pixels);
  } else {
    resize_shorter_side(*image, options.height, prepared.pixels);
  }
  if (options.to == Encoding::raw) return;
  if (from_file && fitting) {
    std::swap(prepared.encoded, scratch.sample.encoded);
    return;
  }
  prepared.encoded = encode_jpeg(prepared.pixels, options.quality);
  decode_image(prepared.encoded, name, {.channels = options.channels}, prepared.pixels);
}

}  // namespace convoy
